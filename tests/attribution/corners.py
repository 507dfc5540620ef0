"""Noise in which one corner tells everything, for tests of what finds it. Axes: N example."""

import numpy as np
import pandas as pd

from biasray.data.dataset import DataSet

SIDE, CORNER = 40, 12


def corners(rows: int = 400) -> DataSet:
    """A quarter of the first ten pixels is bright where `mark` is 'yes'; one in ten has no label. `kind` goes its own way."""
    drawn = np.random.default_rng(0)
    image_NHWC = drawn.integers(0, 120, (rows, SIDE, SIDE, 3)).astype(np.uint8)
    mark_N, kind_N = drawn.random(rows) < 0.5, drawn.random(rows) < 0.5
    image_NHWC[mark_N, :CORNER, :CORNER] += 120
    label_N = np.where(drawn.random(rows) < 0.1, "", np.where(mark_N, "yes", "no"))
    examples = pd.DataFrame(
        {
            "id": [f"{n:04d}" for n in range(rows)],
            "split": np.resize(["train", "train", "validation", "test"], rows),
            "hash": [f"{n:04d}" for n in range(rows)],
            "mark": label_N,
            "kind": np.where(kind_N, "a", "b"),
        }
    )
    return DataSet("corners", examples, (3, SIDE, SIDE), "kind", "mark", f"corners {rows}", lambda row_R: image_NHWC[row_R])
