"""Which values an attribute has: names, or numbers in groups. Images without a label are allowed. Axes: N example."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

NONE = -1  # the code of an image without a label
GROUPS = 4  # of numbers, where the user gives none


@final
@dataclass(frozen=True, kw_only=True)
class Values:
    attribute: str
    names: tuple[str, ...]
    edges: tuple[float, ...] = ()
    """Of an attribute in numbers: each group begins at one of them and ends before the next."""

    def codes(self, examples: pd.DataFrame) -> NDArray[np.int64]:
        """(N,) place in `names`, or -1 for an image without a label, of any data set."""
        if self.attribute not in examples:
            return np.full(len(examples), NONE)
        column = examples[self.attribute]
        if not self.edges:
            return column.map({name: k for k, name in enumerate(self.names)}).fillna(NONE).to_numpy(np.int64)
        code_N = np.digitize(column.fillna(-np.inf), self.edges) - 1
        return np.where(code_N < len(self.names), code_N, NONE)


def values(examples: pd.DataFrame, attribute: str, known: Sequence[str], edges: Sequence[float] = ()) -> Values:
    """The values of an attribute. Numbers fall into groups from each of `edges` to the next; without edges into quarters of
    the examples.

    Raises ValueError for an attribute that is not there, that has one value, or numbers that leave a group empty.
    """
    if attribute not in known:
        there = ", ".join(known) or "none"
        raise ValueError(f"There is no attribute '{attribute}'; the data set has: {there}.")
    column = examples[attribute]
    if pd.api.types.is_numeric_dtype(column):
        return _groups(column, edges)
    names = tuple(sorted(set(column.dropna()) - {""}))
    if len(names) < 2:
        raise ValueError(
            f"Attribute '{attribute}' has one value only ({', '.join(names)}), so nothing can be told; choose another."
        )
    return Values(attribute=attribute, names=names)


def _groups(column: pd.Series, edges: Sequence[float]) -> Values:
    """Groups of numbers, named by their bounds."""
    if not edges:
        low = sorted({float(x) for x in np.floor(column.dropna().quantile(np.linspace(0, 1, GROUPS + 1)))})
        edges = [*low[:-1], float(np.floor(column.max())) + 1]
    if len(edges) < 3 or list(edges) != sorted(set(edges)):
        raise ValueError(f"--edges {' '.join(f'{e:g}' for e in edges)}: give three numbers or more, each above the one before.")
    names = tuple(f"{low:g} to {high:g}" for low, high in pairwise(edges))
    made = Values(attribute=str(column.name), names=names, edges=tuple(map(float, edges)))
    there = set(made.codes(column.to_frame()))
    for k, name in enumerate(names):
        if k not in there:
            raise ValueError(f"--edges: no example has {column.name} {name}; it is {column.min():g} to {column.max():g}.")
    return made
