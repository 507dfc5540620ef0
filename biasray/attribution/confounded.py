"""Sets to learn from in which an attribute goes with the target, and balanced ones of the same size.

De Coninck, Leroux, Simoens, section 4.1: 3,000 men, none with the confounder (blond hair), and 3,000 women, of whom 2,000
have it.
Axes: N example.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from biasray import storage
from biasray.data.dataset import DataSet, part
from biasray.random import rng

SHOWN, HIDDEN = "shows", "does not"  # values of the confounder, in a column of its own
COLUMN = " seen"  # ends the name of that column
Numbers = dict[tuple[str, str], int]  # training examples by target and confounder


class Sets(NamedTuple):
    biased: DataSet
    balanced: DataSet
    numbers: dict[str, Numbers]  # of each


def sets(dataset: DataSet, target: str, shown_N: pd.Series, carrier: str, other: str, most: int) -> Sets:
    """Two sets of the same size, at most `most` examples of each target: `other` never shows the confounder, two in three of
    `carrier` do; and both as often as not, or as near to it as there are examples.

    `shown_N` says SHOWN, HIDDEN or neither of each example; it becomes the column `<its name> seen`. Validation and test stay
    as they are. Raises ValueError where fewer than 30 of each target can be had.
    """
    name = f"{shown_N.name}{COLUMN}"
    examples = dataset.examples.assign(**{name: shown_N.to_numpy()})
    known_N = shown_N.isin((SHOWN, HIDDEN)).to_numpy() & examples[target].isin((carrier, other)).to_numpy()
    train_N = known_N & (examples["split"] == "train").to_numpy()
    there = {
        (t, s): int((train_N & (examples[target] == t) & (examples[name] == s)).sum())
        for t in (carrier, other)
        for s in (SHOWN, HIDDEN)
    }
    half = min(most, there[other, HIDDEN], there[carrier, SHOWN] * 3 // 2, there[carrier, HIDDEN] * 3) // 6 * 6
    if half < 30:
        said = ", ".join(f"{n:,} {t} {s}" for (t, s), n in there.items())
        raise ValueError(f"Too few training examples for a set in which {carrier} alone shows {shown_N.name}: {said}.")
    biased = {(carrier, SHOWN): half * 2 // 3, (carrier, HIDDEN): half // 3, (other, SHOWN): 0, (other, HIDDEN): half}
    balanced: Numbers = {}
    for t in (carrier, other):
        shows = min(max(half // 2, half - there[t, HIDDEN]), there[t, SHOWN])
        balanced |= {(t, SHOWN): shows, (t, HIDDEN): half - shows}
    numbers = {"biased": biased, "balanced": balanced}
    made: dict[str, DataSet] = {}
    for called, wanted in numbers.items():
        kept_N, drawn = known_N & ~train_N, rng("confounded")
        for (t, s), n in wanted.items():
            rows = np.flatnonzero(train_N & (examples[target] == t) & (examples[name] == s))
            kept_N[drawn.permutation(rows)[:n]] = True
        checksum = storage.fingerprint(
            [dataset.checksum, target, name, carrier, other, sorted(map(str, wanted.items())), called]
        )
        made[called] = part(dataset, examples, np.flatnonzero(kept_N), checksum)
    return Sets(made["biased"], made["balanced"], numbers)
