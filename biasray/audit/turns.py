"""Asking about one image after another, each chosen by the answers so far. Axes: N image of a kit."""

from collections.abc import Callable, Sequence

import numpy as np

from biasray.audit.adaptive import Policy
from biasray.audit.asking import Asked, ask
from biasray.audit.journal import Journal
from biasray.audit.kit import Kit
from biasray.audit.reading import Reading
from biasray.audit.targets.target import Target
from biasray.metrics.counts import Floats


def answers_so_far(kit: Kit, asked: Sequence[Asked]) -> tuple[Floats, list[int]]:
    """(N,) answer to each image, NaN where there is no number, and the images that were asked about, in their order."""
    column = {probe.name: k for k, probe in enumerate(kit.probes)}
    answer_N, order = np.full(len(column), np.nan), list[int]()
    for entry in asked:
        if entry.probe in column:
            order.append(column[entry.probe])
            answer_N[order[-1]] = entry.value
    return answer_N, order


def ask_in_turn(
    target: Target, kit: Kit, journal: Journal, reading: Reading, policy: Policy, asked: Callable[[], None] = lambda: None
) -> list[Asked]:
    """As `asking.ask`, where the policy says which image is next, and when it is enough."""
    found = ask(target, [], journal, reading, len(journal.entries))
    while (image := policy.next(*answers_so_far(kit, found))) is not None:
        found = ask(target, [kit.probes[image]], journal, reading, len(journal.entries) + 1, asked)
    return found


def refuse_another_order(kit: Kit, asked: Sequence[Asked], policy: Policy) -> None:
    """Raises ValueError where other images were asked about than the policy chooses, or more or fewer of them."""
    answer_N, order = answers_so_far(kit, asked)
    given_N = np.full(len(answer_N), np.nan)
    for number, image in enumerate([*order, None]):
        if policy.next(given_N, order[:number]) != image:
            raise ValueError(f"After {number} answers the kit asks about another image, or about none; it proves nothing.")
        if image is not None:
            given_N[image] = answer_N[image]
