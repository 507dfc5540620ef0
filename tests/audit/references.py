"""Answers of made-up models: of each image, what its architecture says, some of them moved by the bias, and noise."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class References(NamedTuple):
    answer_RN: NDArray[np.float64]
    bias_RT: NDArray[np.float64]
    architecture_R: NDArray[np.int64]
    tells_N: NDArray[np.bool_]  # images whose answers are moved by the first figure of bias


def references(each: int = 40, images: int = 60, figures: int = 1, seed: int = 0) -> References:
    drawn = np.random.default_rng(seed)
    architecture_R = np.repeat(np.arange(3), each)
    bias_RT = drawn.uniform(-1, 2, (3 * each, figures))
    tells_N = np.arange(images) % 6 == 0
    slope_TN = drawn.normal(1, 0.2, (figures, images)) * np.stack([np.roll(tells_N, t) for t in range(figures)])
    base_AN = drawn.normal(30, 0.3, (3, images))
    noise_RN = drawn.normal(0, 0.5, (3 * each, images))
    return References(base_AN[architecture_R] + bias_RT @ slope_TN + noise_RN, bias_RT, architecture_R, tells_N)
