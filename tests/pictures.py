"""Small pictures for data sets that tests write."""

from pathlib import Path

import numpy as np
from PIL import Image


def image(file: Path, seed: int = 0) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (20, 20, 3), dtype=np.uint8)).save(file)
