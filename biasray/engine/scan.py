"""Counting attributes over a whole data set with Ray Data."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import ray

from biasray.data.dataset import has_label
from biasray.engine.ingest import connect_quietly

ROWS = 50_000  # of a task
COUNT = "examples with this pair"  # a column that no data set has


def count_pairs(examples: pd.DataFrame, target: str, attributes: Sequence[str]) -> dict[str, pd.DataFrame]:
    """How many examples have each pair of values, by attribute: rows target values, columns attribute values, both sorted.

    Examples of which an attribute is not known do not count for it; the target must be known of all.
    """
    connect_quietly()
    table = examples[[target, *attributes]]

    def count(part: pd.DataFrame) -> pd.DataFrame:
        counted = []
        for name in attributes:
            pairs = part[has_label(part[name])].groupby([target, name]).size().reset_index(name=COUNT)
            number = pd.api.types.is_numeric_dtype(pairs[name])
            counted.append(
                pd.DataFrame(
                    {
                        "attribute": name,
                        "target": pairs[target],
                        "text": "" if number else pairs[name],
                        "number": pairs[name].astype(float) if number else np.nan,
                        "n": pairs[COUNT],
                    }
                )
            )
        return pd.concat(counted)

    parts = [table[start : start + ROWS] for start in range(0, len(table), ROWS)]
    pairs = ray.data.from_pandas(parts).map_batches(count, batch_format="pandas", batch_size=None).to_pandas()
    found = {}
    for name in attributes:
        mine = pairs[pairs["attribute"] == name]
        column = "number" if pd.api.types.is_numeric_dtype(table[name]) else "text"
        found[name] = mine.pivot_table("n", "target", column, "sum", fill_value=0).astype(np.int64)
    return found
