"""Part of a data set, in words: all, those with some attributes, or a share of some; to learn from, or a pool without labels.

Axes: N example, R row of a part.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biasray.data.dataset import Split, has_label

ALL = "all"


def part(examples: pd.DataFrame, text: str, drawn: np.random.Generator, split: Split = "train") -> NDArray[np.int64]:
    """(R,) rows of a split that are 'all', 'race=East Asian', 'race=East Asian,gender=Female', or 'gender=Female:0.8': as many
    images as can be had of which eight in ten are women.

    Raises ValueError where the data have no such images.
    """
    row_R = np.flatnonzero(examples["split"] == split)
    if text == ALL:
        return row_R
    for condition in text.split(","):
        name, equals, value = condition.partition("=")
        value, colon, share = value.partition(":")
        if not (name and equals and value) or (colon and not _is_share(share)):
            raise ValueError(f"'{text}' is not all, ATTRIBUTE=VALUE or ATTRIBUTE=VALUE:SHARE, joined by commas.")
        if name not in examples:
            raise ValueError(f"'{text}': there is no attribute '{name}'; the data set has: {', '.join(_attributes(examples))}.")
        column = examples[name].iloc[row_R].astype(str)
        mine_R = (column == value).to_numpy()
        if not mine_R.any():
            there = ", ".join(sorted(set(column))[:12])
            raise ValueError(f"'{text}': no {split} image has {name} {value}; there are: {there}.")
        others_R = ~mine_R & has_label(examples[name].iloc[row_R]) if colon else np.zeros(len(row_R), bool)
        row_R = _mixed(row_R[mine_R], row_R[others_R], float(share), drawn) if colon else row_R[mine_R]
        if not len(row_R):
            raise ValueError(
                f"'{text}': there are no others than {name} {value} among the {split} images, so no share of them."
            )
    return row_R


def _attributes(examples: pd.DataFrame) -> list[str]:
    return [name for name in examples.columns if name not in ("id", "split", "hash", "row")]


def _is_share(text: str) -> bool:
    try:
        return 0 < float(text) < 1
    except ValueError:
        return False


def _mixed(
    mine_M: NDArray[np.int64], others_O: NDArray[np.int64], share: float, drawn: np.random.Generator
) -> NDArray[np.int64]:
    """As many as can be had of which this share is of the first kind, in their order."""
    n = int(min(len(mine_M) / share, len(others_O) / (1 - share)) + 1e-9)
    first = round(n * share)
    return np.sort(np.concatenate([drawn.permutation(mine_M)[:first], drawn.permutation(others_O)[: n - first]]))
