"""Training images whose regions with most to tell of a confounder are hidden, before any method sees them.

De Coninck, Leroux, Simoens, section 4.1: where a map is above its quantile the pixels become grey, or Gaussian noise (mean 0,
standard deviation 0.5 on [0, 1]) is added. A general map is the mean over images, a specific one is the image's own.
Departures: noise is drawn once an image, by its id, and the sum is cut to what 8 bits can hold.
Axes: N example, R row of a part, H W pixel, C channel.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, final

import numpy as np
from numpy.typing import NDArray

from biasray import storage
from biasray.attribution.regions import above
from biasray.data.dataset import DataSet, Images
from biasray.random import rng

GREY, STD = 128, 0.5

By = Literal["general", "specific"]
With = Literal["mask", "noise"]


@final
@dataclass(frozen=True)
class Hiding:
    by: By
    fill: With
    quantile: float

    def __str__(self) -> str:
        return f"{self.by} {self.fill} {self.quantile:g}"


def hidden(dataset: DataSet, map_NHW: NDArray[np.floating], how: Hiding) -> DataSet:
    """The same data set, its training images hidden by their maps (rows of `map_NHW`; those of other splits are not read)."""
    train_N = (dataset.examples["split"] == "train").to_numpy()
    if how.by == "general":
        map_NHW = np.broadcast_to(map_NHW[train_N].mean(0), map_NHW.shape)
    hide_NHW = np.zeros(map_NHW.shape, bool)
    hide_NHW[train_N] = above(map_NHW[train_N], how.quantile)
    checksum = storage.fingerprint([dataset.checksum, str(how), storage.checksum(np.packbits(hide_NHW).tobytes())])
    images = partial(_images, dataset, np.packbits(hide_NHW, axis=-1), how.fill)
    return replace(dataset, checksum=checksum, images=images, store=None, on_disk=False)


def _images(dataset: DataSet, bit_NHW: NDArray[np.uint8], fill: With, row_R: NDArray[np.int64]) -> Images:
    image_RHWC = dataset.take(row_R).copy()
    hide_RHW = np.unpackbits(bit_NHW[row_R], axis=-1, count=image_RHWC.shape[2]).astype(bool)
    if fill == "mask":
        image_RHWC[hide_RHW] = GREY
        return image_RHWC
    for image_HWC, hide_HW, name in zip(image_RHWC, hide_RHW, dataset.examples["id"].iloc[row_R], strict=True):
        if hide_HW.any():
            noise_HWC = 255 * STD * rng("hide", name).standard_normal(image_HWC.shape, np.float32)
            image_HWC[hide_HW] = np.clip(image_HWC + noise_HWC, 0, 255)[hide_HW]
    return image_RHWC
