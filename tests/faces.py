"""A folder in UTKFace's layout with small JPEGs, for tests of everything that reads one."""

from pathlib import Path

import numpy as np
from PIL import Image


def write_faces(folder: Path, each: int = 30, side: int = 20) -> Path:
    """So many images of each gender and of White, Black and Asian: women brighter, white people redder."""
    folder.mkdir(parents=True, exist_ok=True)
    random, stamp = np.random.default_rng(0), 20170109000000000
    for gender in (0, 1):
        for race in (0, 1, 2):
            for k in range(each):
                image = random.integers(0, 90, (side, side, 3)) + np.array([80 * (race == 0), 0, 0]) + 70 * gender
                stamp += 1
                name = f"{20 + k % 40}_{gender}_{race}_{stamp}.jpg.chip.jpg"
                Image.fromarray(image.astype(np.uint8)).save(folder / name, quality=90)
    return folder
