"""How sure class probabilities are, from 0 (all classes alike) to 1 (one class for certain). Axes: K class; ... anything."""

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

Floats = NDArray[np.floating]
Confidence = Literal["entropy", "margin", "top"]


def entropy(p_K: Floats) -> Floats:
    """1 - H / log K with H = -sum_K p log p: negative entropy. (Equation 4 of De Coninck et al. as printed is H itself.)"""
    return np.asarray(1 + xlogy(p_K, p_K).sum(-1) / np.log(p_K.shape[-1]))


def margin(p_K: Floats) -> Floats:
    """The highest probability over the second."""
    two = np.partition(p_K, -2, axis=-1)
    return np.asarray(two[..., -1] - two[..., -2])


def top(p_K: Floats) -> Floats:
    """The highest probability, 1 / K moved to 0."""
    guess = 1 / p_K.shape[-1]
    return np.asarray((p_K.max(-1) - guess) / (1 - guess))


CONFIDENCES: Mapping[Confidence, Callable[[Floats], Floats]] = {"entropy": entropy, "margin": margin, "top": top}
