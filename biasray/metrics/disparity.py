"""How much a classifier's behaviour depends on the bias attribute. Axes as in `counts`; 0 is no disparity, except
for the ratio, where 1 is. A group without examples is left out."""

import numpy as np

from biasray.metrics.counts import Counts, Floats, metric
from biasray.metrics.groups import _mean


def equalised_odds(counts: Counts) -> Floats:
    """Mean over targets of |accuracy given bias 0 - accuracy given bias 1| (Zhang et al. 2024, equation 12).

    Only for two bias values. A target that misses one of the two groups is left out.
    """
    assert counts.predicted.shape[-2] == 2
    return _mean(np.abs(counts.group_accuracy[..., 0] - counts.group_accuracy[..., 1]), -1)


def average_minus_worst(counts: Counts) -> Floats:
    """Mean over targets of (mean accuracy of the target's groups - accuracy of its worst group).

    The model bias of Zhang et al. 2024 for attributes with more than two values, such as colour.
    """
    worst = np.fmin.reduce(counts.group_accuracy, -1)
    return _mean(_mean(counts.group_accuracy, -1) - worst, -1)


@metric("model bias", lower_is_better=True)
def model_bias(counts: Counts) -> Floats:
    """Equalised odds for two bias values, average minus worst for more (Zhang et al. 2024, section 4.1)."""
    return equalised_odds(counts) if counts.predicted.shape[-2] == 2 else average_minus_worst(counts)


def _by_bias(counts: Counts) -> Floats:
    """(..., B) accuracy of each bias value, over all targets."""
    with np.errstate(invalid="ignore"):
        return np.asarray(counts.correct.sum(-2) / counts.group.sum(-2))


@metric("accuracy ratio")
def accuracy_ratio(counts: Counts) -> Floats:
    """Lowest over highest accuracy among bias values; 1 is equal, NaN where nothing is right.

    The slides on gender classification call this 'selection rate' (SR); it is not the rate of positive
    predictions that the word means elsewhere.
    """
    by_bias = _by_bias(counts)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.fmin.reduce(by_bias, -1) / np.fmax.reduce(by_bias, -1))


@metric("accuracy gap", lower_is_better=True)
def accuracy_gap(counts: Counts) -> Floats:
    """Highest minus lowest accuracy among bias values."""
    by_bias = _by_bias(counts)
    return np.asarray(np.fmax.reduce(by_bias, -1) - np.fmin.reduce(by_bias, -1))


@metric("demographic parity difference", lower_is_better=True)
def demographic_parity(counts: Counts) -> Floats:
    """Largest difference between bias values in how often a class is predicted, over all classes.

    For two classes this is fairlearn's `demographic_parity_difference`.
    """
    predicted = counts.predicted.sum(-3)  # (..., B, P)
    with np.errstate(invalid="ignore"):
        rate = predicted / predicted.sum(-1, keepdims=True)
    return np.asarray((np.fmax.reduce(rate, -2) - np.fmin.reduce(rate, -2)).max(-1))


@metric("equal opportunity difference", lower_is_better=True)
def equal_opportunity(counts: Counts) -> Floats:
    """Largest difference between bias values in the accuracy of the positives, the second of two classes; NaN for more.

    fairlearn's `equal_opportunity_difference` (Hardt, Price, Srebro 2016).
    """
    if counts.predicted.shape[-1] != 2:
        return np.full(counts.predicted.shape[:-3], np.nan)
    last = counts.group_accuracy[..., -1, :]
    return np.asarray(np.fmax.reduce(last, -1) - np.fmin.reduce(last, -1))
