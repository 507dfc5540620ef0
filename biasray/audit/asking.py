"""Asking a black box about probes, one after another, within a budget that is kept before anything is sent."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from biasray import storage
from biasray.audit.journal import Entry, Journal
from biasray.audit.reading import Reading
from biasray.audit.targets.target import Probe, SilentError, Target

AGAIN = " again"  # of the name of a probe that is asked about a second time


class Asked(NamedTuple):
    """One question and its answer; NaN where the answer has no number."""

    probe: str
    value: float
    problem: str


def ask(
    target: Target,
    probes: Sequence[Probe],
    journal: Journal,
    reading: Reading,
    budget: int,
    told: Callable[[int], None] = lambda questions: None,
) -> list[Asked]:
    """The answers to the probes, of which those in the journal are not asked again, and no more than the budget in all.

    An answer is in the journal before the next question goes out; a question that was tried several times is one, and one that
    is refused counts. Raises ValueError where the target stays silent, where the very first question is refused or its answer
    has no number, and where more is to be asked than the budget allows; what was answered stays.
    """
    names = [probe.name for probe in probes]
    if names[: len(journal.entries)] != [entry.probe for entry in journal.entries]:
        raise ValueError(f"{journal.file} holds answers to other probes; give another --out.")
    if len(probes) > budget:
        raise ValueError(f"{len(probes)} questions are more than the budget of {budget}; give fewer.")
    for number, probe in enumerate(probes[len(journal.entries) :], len(journal.entries) + 1):
        try:
            answer = target.answer(probe)
        except SilentError as error:
            raise ValueError(
                f"{error}. {len(journal.entries)} of {len(probes)} answers are kept; the same command asks the rest."
            ) from error
        except ValueError as error:
            if not journal.entries:  # nothing works yet: nothing is spent on it
                raise
            answer = {"error": str(error)}
        journal.append(probe.name, storage.checksum(probe.image_png), answer)
        if number == 1 and (problem := _read(journal.entries[0], reading).problem):
            raise ValueError(f"The first answer cannot be read: {problem}. Say how it is to be; it is kept, not asked again.")
        told(number)
    return [_read(entry, reading) for entry in journal.entries]


def _read(entry: Entry, reading: Reading) -> Asked:
    try:
        return Asked(entry.probe, reading(entry.answer), "")
    except ValueError as error:
        return Asked(entry.probe, float("nan"), str(error))


def read_again(entries: Sequence[Entry], reading: Reading, probes: Sequence[Probe]) -> list[Asked]:
    """The answers of a journal; raises ValueError where an image that was sent is not the one in the kit."""
    sent = {probe.name: storage.checksum(probe.image_png) for probe in probes}
    for entry in entries:
        if sent.get(entry.probe.removesuffix(AGAIN)) != entry.image:
            raise ValueError(f"Answer {entry.number} is to another image than the kit's {entry.probe}; it proves nothing.")
    return [_read(entry, reading) for entry in entries]
