"""Asking a black box about probes, one after another, within a budget that is kept before anything is sent."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from biasray import storage
from biasray.audit.journal import Entry, Journal
from biasray.audit.reading import Reading
from biasray.audit.targets.target import Probe, RefusedError, Target

REFUSED = "refused"  # key of an answer that is none
FIRST = 3  # answers, of which one at least must have a number
PATIENT = 10  # questions, of which one at least must not be refused
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
    asked: Callable[[], None] = lambda: None,
) -> list[Asked]:
    """The answers in the journal, when all of these probes have one: those that are there are not asked for again.

    An answer is in the journal before the next question goes out. A question that was tried several times is one, and one that
    is refused counts. Raises ValueError where there are more than the budget allows, before anything is sent; where the target
    answers nothing; and where what it answers has no number from the start. What was answered stays.
    """
    have = {entry.probe for entry in journal.entries}
    todo = [probe for probe in probes if probe.name not in have]
    if len(have) + len(todo) > budget:
        raise ValueError(f"{len(have)} answers and {len(todo)} more questions are beyond the budget of {budget}.")
    for probe in todo:
        _refuse_unread(journal.entries, reading)
        try:
            answer = target.answer(probe)
        except RefusedError as error:
            answer = {REFUSED: str(error)}
        except ValueError as error:
            there = len(journal.entries)
            raise ValueError(f"{error}. {there} answers are kept; the same command asks for the others.") from error
        journal.append(probe.name, storage.checksum(probe.image_png), answer)
        asked()
    _refuse_unread(journal.entries, reading)
    return [_read(entry, reading) for entry in journal.entries]


def _refuse_unread(entries: Sequence[Entry], reading: Reading) -> None:
    """Raises ValueError where no answer has a number and more would be spent for nothing."""
    refused = [isinstance(entry.answer, dict) and set(entry.answer) == {REFUSED} for entry in entries]
    if len(entries) >= PATIENT and all(refused):
        raise ValueError(
            f"All {len(entries)} questions were refused (the last: {entries[-1].answer[REFUSED]}); no more are asked."
        )
    found = [_read(entry, reading) for entry, no in zip(entries, refused, strict=True) if not no][:FIRST]
    if found and all(a.problem for a in found):
        raise ValueError(
            f"No answer so far can be read: {found[-1].problem}. Say how they are to be (--kind, --field); they are kept, and "
            "not asked for again."
        )


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
