"""Pictures of each cell of a biased table, as one PNG. Axes: E example of a cell, H W pixel, C channel."""

import base64
import io
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from biasray.data.dataset import Images

SIDE, GAP = 48, 3  # pixels
EACH = 8  # of a cell


def row(image_EHWC: Images) -> str:
    """Some images side by side, as the address of an <img>."""
    return _address(_beside([_scaled(image) for image in image_EHWC]))


def matrix(cells: Mapping[tuple[int, int], Images], targets: int, biases: int) -> str:
    """One image of each cell, targets down and bias values across; white where a cell is empty."""
    blank = np.full((SIDE, SIDE, 3), 255, np.uint8)
    rows = [_beside([_scaled(cells[t, b][0]) if len(cells[t, b]) else blank for b in range(biases)]) for t in range(targets)]
    gap = np.full((GAP, rows[0].shape[1], 3), 255, np.uint8)
    return _address(np.concatenate([part for line in rows for part in (line, gap)]))


def _scaled(image_HWC: Images) -> Images:
    """Three channels, a fixed size; small images keep their pixels."""
    shown = Image.fromarray(image_HWC.repeat(3, 2) if image_HWC.shape[2] == 1 else image_HWC)
    how = Image.Resampling.NEAREST if image_HWC.shape[0] < SIDE else Image.Resampling.LANCZOS
    return np.asarray(shown.resize((SIDE, SIDE), how))


def _beside(images: Sequence[Images]) -> Images:
    gap = np.full((SIDE, GAP, 3), 255, np.uint8)
    return np.concatenate([part for image in images for part in (image, gap)], 1)


def _address(image_HWC: Images) -> str:
    buffer = io.BytesIO()
    Image.fromarray(image_HWC).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
