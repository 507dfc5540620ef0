"""The one table that every classification metric reads.

Axes: T target class, B bias value, P predicted class; leading axes (resamples, seeds) are free, so that a
metric of a thousand resamples is one call. A group is a pair (target, bias).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Counts:
    """How often each group was predicted as each class, and how large each group was in training."""

    predicted: Ints  # (..., T, B, P)
    train: Ints | None = None  # (T, B); needed only by what weights groups by the training distribution

    @cached_property
    def group(self) -> Ints:
        """(..., T, B) examples of each group."""
        size: Ints = self.predicted.sum(-1)
        return size

    @cached_property
    def correct(self) -> Ints:
        """(..., T, B) rightly classified examples of each group."""
        return np.einsum("...tbt->...tb", self.predicted)

    @cached_property
    def group_accuracy(self) -> Floats:
        """(..., T, B) accuracy of each group; NaN for a group without examples."""
        with np.errstate(invalid="ignore"):
            return self.correct / self.group


def count(target_N: Ints, bias_N: Ints, predicted_N: Ints, targets: int, biases: int) -> Counts:
    """Counts of labels and predictions, all int codes; raises ValueError where one is out of range."""
    for name, code, size in (("target", target_N, targets), ("bias", bias_N, biases), ("predicted", predicted_N, targets)):
        if len(code) and not (code.min() >= 0 and code.max() < size):
            raise ValueError(f"A {name} label is outside 0 to {size - 1}: found {code.min()} to {code.max()}.")
    flat = (target_N * biases + bias_N) * targets + predicted_N
    return Counts(np.bincount(flat, minlength=targets * biases * targets).reshape(targets, biases, targets))


class Metric(NamedTuple):
    compute: Callable[[Counts], Floats]  # (..., T, B, P) -> (...)
    title: str
    lower_is_better: bool


METRICS: dict[str, Metric] = {}


def metric(title: str, lower_is_better: bool = False) -> Callable[[Callable[[Counts], Floats]], Callable[[Counts], Floats]]:
    """Register a function of Counts with values in [0, 1] under its own name."""

    def register(compute: Callable[[Counts], Floats]) -> Callable[[Counts], Floats]:
        name = compute.__name__
        assert name not in METRICS, f"two metrics are called {name}"
        METRICS[name] = Metric(compute, title, lower_is_better)
        return compute

    return register
