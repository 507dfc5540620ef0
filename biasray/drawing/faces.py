"""Drawn faces: every layer from the background to the hat. Units are those of the head: its half height is about 1.

u points right and v down from the middle of the head; the features of the face move together when it turns or nods.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biasray.drawing import features, head
from biasray.drawing.canvas import SIDE, Canvas
from biasray.drawing.parts import PARTS
from biasray.drawing.person import Person, check, person, pose
from biasray.random import rng

VERSION = 2  # raised by hand when the same attributes and keys give other pixels
CHUNK = 32  # faces at a time: their layers stay in a core's cache
LAYERS = (
    head.backdrop, head.clothes, head.hair_behind, head.neck, head.ears, head.head,
    features.beard, features.wrinkles, features.nose, features.mouth, features.eyes, features.brows,
    head.hair_before, features.glasses, head.hat,
)  # fmt: skip


class Drawn(NamedTuple):
    image_NHWC: NDArray[np.uint8]
    """RGB."""
    part_NHW: NDArray[np.uint8]
    """Place in `PARTS` of what is seen at each pixel: of all that covers a quarter of it or more, what was drawn last."""

    @property
    def masks(self) -> NDArray[np.bool_]:
        """(N, P, H, W): where each of the `PARTS` is seen; every pixel is of one part."""
        mask_NPHW: NDArray[np.bool_] = self.part_NHW[:, None] == np.arange(len(PARTS), dtype=np.uint8)[:, None, None]
        return mask_NPHW


def draw(attributes: pd.DataFrame, key_N: NDArray[np.int64]) -> Drawn:
    """Faces with these attributes, 64 x 64 pixels.

    `attributes` has a row a face: `age` in years (5 to 90) and the columns of `VALUES`. All else (pose, features,
    colours, light, grain) depends on the face's key alone, so that a face can be drawn with one attribute changed.
    Raises ValueError for attributes that cannot be drawn.
    """
    check(attributes)
    image_NHWC = np.empty((len(attributes), SIDE, SIDE, 3), np.uint8)
    part_NHW = np.empty((len(attributes), SIDE, SIDE), np.uint8)
    for start in range(0, len(attributes), CHUNK):
        rows = slice(start, start + CHUNK)
        someone = person(attributes.iloc[rows], key_N[rows])
        canvas = Canvas(pose(someone))
        for layer in LAYERS:
            layer(canvas, someone)
        image_NHWC[rows] = _developed(canvas, someone, key_N[rows])
        part_NHW[rows] = canvas.part_HWN.transpose(2, 0, 1)
    return Drawn(image_NHWC, part_NHW)


def _developed(canvas: Canvas, someone: Person, key_N: NDArray[np.int64]) -> NDArray[np.uint8]:
    """(N, H, W, C): light from one side, grain, and 8 bits."""
    across = np.linspace(-1, 1, SIDE, dtype=np.float32)
    light_HWN = (
        someone.between("gain", 0.9, 1.08)
        + someone.between("light_x", -0.12, 0.12) * across[None, :, None]
        + someone.between("light_y", -0.10, 0.04) * across[:, None, None]
    )
    grain_NHWC = np.stack([rng("grain", key).random((SIDE, SIDE, 3), np.float32) for key in key_N])
    grain_NHWC *= someone.between("grain", 4.0, 16.0)[:, None, None, None]
    seen_NHWC = np.ascontiguousarray((canvas.colour_CHWN * (255 * light_HWN)).transpose(3, 1, 2, 0))
    seen_NHWC += grain_NHWC
    return np.minimum(np.maximum(seen_NHWC, 0, out=seen_NHWC), 255, out=seen_NHWC).astype(np.uint8)
