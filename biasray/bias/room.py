"""Which controlled biases a data set has room for. Axes: T target, B bias value, V attribute value."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from biasray.bias.agreement import largest
from biasray.bias.cells import goes_with

AGREEMENTS = (0.5, 0.9, 0.99)


class Room(NamedTuple):
    """What can be had of a target and an attribute of its examples."""

    smallest: tuple[str, str]  # values of target and attribute that the fewest examples have
    n: int  # how many have them
    balanced: int  # examples of the largest table in which every pair is equally frequent
    align: tuple[str, ...]  # entries of --align that put each value with the target it goes with most; () where none do
    agreement: float  # share of examples whose value then goes with their target; NaN without a map
    examples: dict[float, int]  # of the largest table with each of these agreements


def room(count_TV: NDArray[np.int64], targets: Sequence[str], values: Sequence[str]) -> Room:
    """Of these counts."""
    t, v = divmod(int(count_TV.argmin()), len(values))
    goes_V = goes_with(count_TV)
    balanced = int(count_TV.min()) * count_TV.size
    if goes_V is None or any("," in value for value in values):  # a map lists values with commas
        return Room((targets[t], values[v]), int(count_TV.min()), balanced, (), np.nan, {})
    have_TB = np.stack([count_TV[:, goes_V == b].sum(1) for b in range(len(targets))], 1)
    named = [f"{targets[b]}={','.join(values[int(k)] for k in np.flatnonzero(goes_V == b))}" for b in range(len(targets))]
    align = tuple(named[:-1])  # the last target gets the rest
    most = {rho: min(largest(have_TB[b], b, rho) for b in range(len(targets))) * len(targets) for rho in AGREEMENTS}
    natural = float(np.trace(have_TB) / have_TB.sum())
    return Room((targets[t], values[v]), int(count_TV.min()), balanced, align, natural, most)
