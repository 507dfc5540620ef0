"""Drawn faces, not photographs: every attribute is drawn independently of the others, and the mask of each part is known."""

from typing import final

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from biasray import storage
from biasray.data.adapter import BuiltIn
from biasray.data.dataset import DataSet, Images, Split
from biasray.drawing import AGES, PART, SIDE, VALUES, VERSION, Drawn, draw
from biasray.random import key, uniform

SIZES: dict[Split, int] = {"train": 4_000, "validation": 1_000, "test": 1_000}
KEY_N = key("drawn-faces", VERSION) // 2 + np.arange(sum(SIZES.values()))
ATTRIBUTES = 1  # purpose of the random numbers that choose attributes, apart from those that draw


@final
class DrawnFaces(BuiltIn):
    """6,000 faces, drawn as they are asked for. Attributes are uniform and independent; see `biasray.drawing` for them."""

    def load(self) -> DataSet:
        examples = _examples()

        def images(rows_N: NDArray[np.int64]) -> Images:
            return faces(rows_N).image_NHWC

        def shown(rows_N: NDArray[np.int64], attribute: str) -> NDArray[np.bool_] | None:
            return faces(rows_N).part_NHW == PART[attribute] if attribute in PART and attribute in VALUES else None

        checksum = storage.checksum(f"drawing {VERSION}\n{examples.to_csv()}".encode())
        return DataSet("drawn-faces", examples, (3, SIDE, SIDE), "gender", "glasses", checksum, images, shown=shown)


def faces(rows_N: NDArray[np.int64]) -> Drawn:
    """These rows of the data set with the part that is seen at each pixel: `faces(rows).masks`."""
    return draw(_examples().iloc[rows_N], KEY_N[rows_N])


def _examples() -> pd.DataFrame:
    chance_NK = uniform(torch.from_numpy(KEY_N), 1 + len(VALUES), ATTRIBUTES).numpy()
    low, high = AGES
    attributes = {"age": low + (chance_NK[:, 0] * (high - low + 1)).astype(np.int64)}
    for k, (name, values) in enumerate(VALUES.items(), start=1):
        attributes[name] = np.array(values)[(chance_NK[:, k] * len(values)).astype(np.int64)]
    return pd.DataFrame(
        {
            "id": [f"{i:05d}" for i in range(len(KEY_N))],
            "split": np.repeat(list(SIZES), list(SIZES.values())),
            "hash": [storage.checksum(f"drawing {VERSION}, key {k}".encode()) for k in KEY_N],
            **attributes,
        }
    )
