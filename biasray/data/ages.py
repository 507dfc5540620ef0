"""Ages as data sets write them: in years, or in bins."""

from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biasray.data.dataset import has_label

BANDS = ((0, "0-2"), (3, "3-9"), *((low, f"{low}-{low + 9}") for low in range(10, 70, 10)), (70, "more than 70"))


def years(column: pd.Series) -> NDArray[np.float64]:
    """Ages in years: of '10-19' the middle, 15; of 'more than 70' 75. Raises ValueError for what is no age."""
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(np.float64)
    return np.array([_middle(text) for text in column])


@lru_cache
def _middle(text: str) -> float:
    first, dash, last = text.partition("-")
    if dash and first.isdigit() and last.isdigit():
        return (int(first) + int(last) + 1) / 2
    if text.startswith("more than ") and text.removeprefix("more than ").isdigit():
        return float(text.removeprefix("more than ")) + 5
    raise ValueError(f"'{text}' is no age: give years, such as 31, or bins, such as 30-39 or 'more than 70'.")


def bands(column: pd.Series) -> pd.Series:
    """Ages in FairFace's bands, such as 30-39; '' where there is none. Raises ValueError for what is no age."""
    known = has_label(column)
    place = np.digitize(years(column[known]), [low for low, _ in BANDS]) - 1
    names = pd.Series("", index=column.index, name=column.name)
    names[known] = np.array([name for _, name in BANDS])[place]
    return names
