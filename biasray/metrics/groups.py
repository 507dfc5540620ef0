"""Accuracy of all, of groups, and of the worst group. Axes as in `counts`."""

import numpy as np

from biasray.metrics.counts import Counts, Floats, metric


@metric("accuracy")
def accuracy(counts: Counts) -> Floats:
    """Share of examples classified rightly: groups count by their size in the evaluated table."""
    with np.errstate(invalid="ignore"):
        return np.asarray(counts.correct.sum((-2, -1)) / counts.group.sum((-2, -1)))


@metric("group average")
def group_average(counts: Counts) -> Floats:
    """Mean of the groups' accuracies, each group counting once (the Poisoner paper's 'Avg. Group Accuracy')."""
    return _mean(counts.group_accuracy, (-2, -1))


@metric("group average, as in training")
def training_weighted_average(counts: Counts) -> Floats:
    """Mean of the groups' accuracies weighted by group size in training (the convention of Waterbirds).

    Groups of the training table that the evaluated one does not hold are left out. NaN without training counts.
    """
    if counts.train is None:
        return np.full(counts.predicted.shape[:-3], np.nan)
    present = counts.group > 0
    weight = np.where(present, counts.train, 0)
    with np.errstate(invalid="ignore"):
        return np.asarray((np.where(present, counts.group_accuracy, 0) * weight).sum((-2, -1)) / weight.sum((-2, -1)))


@metric("worst group")
def worst_group(counts: Counts) -> Floats:
    """Lowest accuracy of any group that has examples."""
    return np.asarray(np.fmin.reduce(counts.group_accuracy, (-2, -1)))


@metric("worst class")
def worst_class(counts: Counts) -> Floats:
    """Lowest accuracy of any target class. It needs no bias label, and yet chooses models that are fair to groups almost as
    well as one that does (Yang, Zhang, Katabi, Ghassemi: Change is Hard, ICML 2023)."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.fmin.reduce(counts.correct.sum(-1) / counts.group.sum(-1), -1))


def _mean(x: Floats, axes: tuple[int, ...] | int) -> Floats:
    """Mean without NaN; NaN where there is nothing else."""
    n = np.sum(~np.isnan(x), axes)
    return np.asarray(np.nansum(x, axes) / np.where(n > 0, n, np.nan))
