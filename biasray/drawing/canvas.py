"""A batch of pictures that layers are painted on. Axes: C channel, H W pixel, N face.

N comes last, so that one number a face, shape (N,), broadcasts against pixels (H, W, N).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from biasray.drawing.shapes import Floats, Length

SIDE = 64
VISIBLE = 0.25  # the share of a pixel that a part must cover to be what one sees there


@dataclass(frozen=True)
class Pose:
    """Where each head is in its picture, all (N,): its centre x, y and its unit in pixels; cosine and sine of its tilt."""

    x: Floats
    y: Floats
    unit: Floats
    cos: Floats
    sin: Floats


class Patch(NamedTuple):
    """A rectangle of all pictures, and where its pixels lie in each head's own coordinates (H, W, N): right and down."""

    rows: slice
    columns: slice
    u: Floats
    v: Floats


class Canvas:
    def __init__(self, pose: Pose) -> None:
        n = len(pose.x)
        self.pose = pose
        self.colour_CHWN = np.zeros((3, SIDE, SIDE, n), np.float32)
        self.part_HWN = np.zeros((SIDE, SIDE, n), np.uint8)

    def patch(self, left: float, right: float, top: float, bottom: float) -> Patch:
        """The pixels that hold this rectangle of head coordinates in any of the pictures."""
        p = self.pose
        u, v = np.array([left, left, right, right])[:, None], np.array([top, bottom, top, bottom])[:, None]
        rows = _reach(p.y + p.unit * (p.sin * u + p.cos * v))
        columns = _reach(p.x + p.unit * (p.cos * u - p.sin * v))
        x = (np.arange(columns.start, columns.stop, dtype=np.float32) + 0.5)[None, :, None] - p.x
        y = (np.arange(rows.start, rows.stop, dtype=np.float32) + 0.5)[:, None, None] - p.y
        cos, sin = p.cos / p.unit, p.sin / p.unit
        return Patch(rows, columns, cos * x + sin * y, cos * y - sin * x)

    def paint(
        self,
        patch: Patch,
        distance_HWN: Floats,
        colour: Floats,
        part: int | None,
        opacity: Length = 1.0,
        soft: float = 0.0,
    ) -> None:
        """Cover what has a distance below 0 with a colour (C, N) or (C, H, W, N).

        The edge is one pixel wide, and `soft` (head units) wider where it is a shade. Pixels that are now seen to be
        of the part are marked so; a shade is of no part (None).
        """
        assert distance_HWN.dtype == np.float32
        edge = self.pose.unit / (1 + soft * self.pose.unit)
        cover = 0.5 - distance_HWN * edge
        np.minimum(np.maximum(cover, 0, out=cover), 1, out=cover)
        cover *= opacity
        under = self.colour_CHWN[:, patch.rows, patch.columns]
        change = (colour if colour.ndim == 4 else colour[:, None, None]) - under
        change *= cover
        under += change
        if part is not None:
            self.part_HWN[patch.rows, patch.columns][cover >= VISIBLE] = part


def _reach(pixel: NDArray[np.floating]) -> slice:
    """From the least to the greatest of these positions, and a pixel more for soft edges, within the picture."""
    return slice(max(int(pixel.min()) - 2, 0), min(int(pixel.max()) + 3, SIDE))
