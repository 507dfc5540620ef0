"""Groups of examples by several attributes at once. Axes: G example of a group."""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biasray.data.ages import bands
from biasray.data.dataset import has_label

QUARTERS = 4  # that numbers other than ages fall into


class Subgroup(NamedTuple):
    values: tuple[str, ...]  # 'Female', 'Black'
    attributes: tuple[str, ...]
    row_G: NDArray[np.int64]

    @property
    def name(self) -> str:
        return ", ".join(self.values)


def subgroups(examples: pd.DataFrame, attributes: Sequence[str], fewest: int) -> list[Subgroup]:
    """Groups by each attribute, by each two, ..., by all, that have `fewest` examples or more; ages in bands, other numbers in
    quarters. Examples without a label of an attribute are in no group by it. A value that several attributes have is called
    after its own: 'Smiling yes'."""
    named = _apart({name: _names(examples[name]) for name in dict.fromkeys(attributes)})
    found = []
    for size in range(1, len(named) + 1):
        for several in combinations(named, size):
            known = np.flatnonzero(np.logical_and.reduce([has_label(named[name]) for name in several]))
            values = pd.DataFrame({name: named[name].to_numpy()[known] for name in several})
            for key, index in sorted(values.groupby(list(several)).indices.items()):
                if len(index) >= fewest:
                    found.append(Subgroup(key if isinstance(key, tuple) else (key,), several, known[index]))
    return found


def _names(column: pd.Series) -> pd.Series:
    if not pd.api.types.is_numeric_dtype(column):
        return column.astype(str)
    if column.name == "age":
        return bands(column)
    parts = pd.qcut(column, QUARTERS, duplicates="drop")
    return parts.map(lambda part: f"{column.name} {part.left:g} to {part.right:g}").astype(object).where(column.notna(), "")


def _apart(named: dict[str, pd.Series]) -> dict[str, pd.Series]:
    """Values that more than one attribute has, with its name before them."""
    taken = Counter(value for column in named.values() for value in set(column) - {""})
    shared = [value for value, n in taken.items() if n > 1]
    return {name: column.where(~column.isin(shared), name + " " + column) for name, column in named.items()}
