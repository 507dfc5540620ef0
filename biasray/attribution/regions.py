"""Square patches of an image at a square of places, and maps from one number a patch.

Places are numbered along rows, as by De Coninck, Leroux, Simoens (Mitigating bias using model-agnostic data attribution,
section 3.1): place i has its top left corner at (i mod A, i // A) strides. The stride is (I - k) / (A - 1), each corner
rounded to a pixel, so that the last patch ends at the last pixel; the printed I - k / A leaves pixels that no patch covers. The
text has 2,041 places, which is no square; its maps have 45 x 45.
Axes: A place along one side, P place (A * A), I pixel along one side, B image, C channel, H W pixel, k pixel of a patch.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float64]


@final
@dataclass(frozen=True, kw_only=True)
class Grid:
    side: int
    """Pixels along one side of an image."""
    patch: int
    """Pixels along one side of a patch."""
    across: int = 45
    """Places along one side; no more than there are pixels to start from."""

    def __post_init__(self) -> None:
        if not 1 <= self.patch <= self.side:
            raise ValueError(f"A patch of {self.patch} pixels does not fit into images of {self.side} x {self.side}.")
        most = self.side - self.patch + 1
        if not (2 <= self.across <= most or self.across == most == 1):
            raise ValueError(
                f"{self.across} places along a side cannot be had: patches of {self.patch} pixels in images of {self.side} "
                f"have 2 to {most}."
            )

    @property
    def places(self) -> int:
        return self.across**2

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """(A,) first pixel of each place along one side."""
        return np.round(np.linspace(0, self.side - self.patch, self.across)).astype(np.int64)

    @cached_property
    def corners(self) -> NDArray[np.int64]:
        """(P, 2) first row and first column of the patch at each place."""
        return np.stack(np.meshgrid(self.starts, self.starts, indexing="ij"), -1).reshape(-1, 2)

    @cached_property
    def cover(self) -> Floats:
        """(A, I) 1 where the patch at a place covers a pixel, along one side."""
        pixel_I = np.arange(self.side)
        return ((pixel_I >= self.starts[:, None]) & (pixel_I < self.starts[:, None] + self.patch)).astype(np.float64)

    def cut(self, image_BCHW: Tensor, place_B: Tensor) -> Tensor:
        """(B, C, k, k) of each image the patch at one place, channels last in memory."""
        row_Bk1, column_B1k = self.pixels(place_B)
        image_B11 = torch.arange(len(place_B), device=place_B.device)[:, None, None]
        return image_BCHW.permute(0, 2, 3, 1)[image_B11, row_Bk1, column_B1k].permute(0, 3, 1, 2)

    def pixels(self, place_B: Tensor) -> tuple[Tensor, Tensor]:
        """(B, k, 1) rows and (B, 1, k) columns of the patches at these places."""
        corner_B2 = torch.from_numpy(self.corners).to(place_B.device)[place_B]
        pixel_k = torch.arange(self.patch, device=place_B.device)
        return (corner_B2[:, :1] + pixel_k)[:, :, None], (corner_B2[:, 1:] + pixel_k)[:, None, :]


def pixel_maps(region_NAA: Floats, grid: Grid) -> Floats:
    """(N, I, I) at each pixel the mean of all patches that cover it (algorithm 1 of the paper).

    A patch covers the rows of its place down and the columns of its place across, so the sums over patches are two products
    of matrices.
    """
    cover_AI = grid.cover
    count_I = cover_AI.sum(0)
    return np.asarray(cover_AI.T @ region_NAA @ cover_AI / np.outer(count_I, count_I))


def normalised(map_NHW: Floats) -> Floats:
    """Each map moved and stretched to [0, 1]; one that is the same everywhere is 0."""
    low, high = map_NHW.min((-2, -1), keepdims=True), map_NHW.max((-2, -1), keepdims=True)
    return np.asarray((map_NHW - low) / np.where(high > low, high - low, 1))


def above(map_NHW: Floats, quantile: float) -> NDArray[np.bool_]:
    """Where each map is above its own quantile: the 1 - `quantile` of its pixels with the most to tell."""
    if not 0 < quantile < 1:
        raise ValueError(f"A quantile lies between 0 and 1, not at {quantile:g}.")
    return np.asarray(map_NHW > np.quantile(map_NHW, quantile, axis=(-2, -1), keepdims=True))
