"""Which images of a data set make a pool without labels: all, those with some attributes, or a share of some.

Axes: N example, R row of a part.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biasray.data.dataset import has_label
from biasray.random import rng


def pool(examples: pd.DataFrame, text: str) -> NDArray[np.int64]:
    """(R,) training rows of 'all', of 'race=East Asian', of 'race=East Asian,gender=Female', or of 'gender=Female:0.8': as many
    images as can be had of which eight in ten are women.

    Raises ValueError where the data have no such images.
    """
    row_R = np.flatnonzero(examples["split"] == "train")
    if text == "all":
        return row_R
    for part in text.split(","):
        name, equals, value = part.partition("=")
        value, colon, share = value.partition(":")
        if not (name and equals and value) or (colon and not _is_share(share)):
            raise ValueError(f"Pool '{text}' is not all, ATTRIBUTE=VALUE or ATTRIBUTE=VALUE:SHARE, joined by commas.")
        if name not in examples:
            raise ValueError(f"Pool '{text}': there is no attribute '{name}'; the data set has: {', '.join(examples.columns)}.")
        column = examples[name].iloc[row_R].astype(str)
        mine_R = (column == value).to_numpy()
        if not mine_R.any():
            there = ", ".join(sorted(set(column))[:12])
            raise ValueError(f"Pool '{text}' has no training image with {name} {value}; there are: {there}.")
        others_R = ~mine_R & has_label(examples[name].iloc[row_R]) if colon else np.zeros(len(row_R), bool)
        row_R = _mixed(row_R[mine_R], row_R[others_R], float(share)) if colon else row_R[mine_R]
    return row_R


def _is_share(text: str) -> bool:
    try:
        return 0 < float(text) < 1
    except ValueError:
        return False


def _mixed(mine_M: NDArray[np.int64], others_O: NDArray[np.int64], share: float) -> NDArray[np.int64]:
    """As many as can be had of which this share is of the first kind, in their order."""
    n, drawn = int(min(len(mine_M) / share, len(others_O) / (1 - share)) + 1e-9), rng("pool", share)
    first = round(n * share)
    return np.sort(np.concatenate([drawn.permutation(mine_M)[:first], drawn.permutation(others_O)[: n - first]]))
