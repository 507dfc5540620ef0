"""Groups of examples by several attributes at once. Axes: G example of a group."""

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
    name: str  # 'Female, Black'
    attributes: tuple[str, ...]
    row_G: NDArray[np.int64]


def subgroups(examples: pd.DataFrame, attributes: Sequence[str], fewest: int) -> list[Subgroup]:
    """Groups by each attribute, by each two, ..., by all, that have `fewest` examples or more; ages in bands, other numbers in
    quarters. Examples without a label of an attribute are in no group by it."""
    named = {name: _names(examples[name]) for name in attributes}
    found = []
    for size in range(1, len(attributes) + 1):
        for several in combinations(attributes, size):
            known = np.flatnonzero(np.logical_and.reduce([has_label(named[name]) for name in several]))
            values = pd.DataFrame({name: named[name].to_numpy()[known] for name in several})
            for key, index in sorted(values.groupby(list(several)).indices.items()):
                if len(index) >= fewest:
                    found.append(Subgroup(", ".join(key if isinstance(key, tuple) else (key,)), several, known[index]))
    return found


def _names(column: pd.Series) -> pd.Series:
    if not pd.api.types.is_numeric_dtype(column):
        return column.astype(str)
    if column.name == "age":
        return bands(column)
    return pd.qcut(column, QUARTERS, duplicates="drop").astype(str).where(column.notna(), "")
