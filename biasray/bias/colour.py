"""Coloured digits: the bias is put into grey images as a colour, whose code is the bias label.

Two published palettes, never mixed. `nam`: Nam et al. 2020 (debiasing), jitter by standard deviation, severity 4
by default. `kim`: Kim et al. 2019 (digit zoos), jitter by variance 0.020 to 0.050. Channels are on [0, 1].
"""

from typing import Literal

import numpy as np
import pandas as pd

from biasray.bias.agreement import check, spread

Palette = Literal["nam", "kim"]
PALETTES: dict[Palette, np.ndarray] = {
    "nam": np.array(
        [
            (0.984, 0.313, 0.169), (0.991, 0.916, 0.352), (0.673, 0.461, 0.580), (0.783, 0.832, 0.601),
            (0.088, 0.778, 0.982), (0.321, 0.961, 0.446), (0.025, 0.236, 0.759), (0.555, 0.102, 0.762),
            (0.208, 0.393, 0.019), (0.834, 0.202, 0.267),
        ]
    ),
    "kim": np.array(
        [
            (220, 20, 60), (0, 128, 128), (253, 233, 16), (0, 149, 182), (237, 145, 33),
            (145, 30, 188), (70, 240, 240), (250, 197, 187), (210, 245, 60), (128, 0, 0),
        ]
    ) / 255,
}  # fmt: skip
JITTER: dict[Palette, float] = {"nam": 0.005, "kim": 0.020**0.5}
NAMES = tuple(f"colour {i}" for i in range(10))
RGB = ["red", "green", "blue"]


def coloured(
    examples: pd.DataFrame,
    targets: int,
    rho: float | None,
    rng: np.random.Generator,
    palette: Palette = "nam",
    std: float | None = None,
) -> pd.DataFrame:
    """Add `bias` (index of the colour) and its jittered `red`, `green`, `blue` on [0, 1].

    A share rho of each target gets the colour with the target's own index, exactly, and the rest spread evenly over
    the nine others; rho None spreads all ten evenly. One draw per image, channels independent, clipped.
    """
    n_colours = len(NAMES)
    if targets > n_colours:
        raise ValueError(f"There are {n_colours} colours for {targets} target values; choose another target.")
    if rho is not None:
        check(rho)
    bias_N = np.empty(len(examples), np.int64)
    for t in range(targets):
        here = np.flatnonzero(examples["target"] == t)
        counts = spread(len(here), t, n_colours, 1 / n_colours if rho is None else rho, rng)
        bias_N[rng.permutation(here)] = np.repeat(np.arange(n_colours), counts)
    rgb_N3 = PALETTES[palette][bias_N] + rng.normal(0, JITTER[palette] if std is None else std, (len(examples), 3))
    return examples.assign(bias=bias_N, **dict(zip(RGB, rgb_N3.clip(0, 1).T, strict=True)))
