"""Means of values that come in clusters, of which those of one are alike. Axes: N value, C cluster, R resample."""

import numpy as np
import pandas as pd

from biasray.metrics.counts import Floats
from biasray.metrics.interval import Interval, percentile

RESAMPLES = 2000
FLIPS = 10_000


def over_clusters(value_N: Floats, cluster_N: pd.Series, drawn: np.random.Generator) -> Interval:
    """95 % interval of the mean, by a bootstrap of whole clusters; NaN for one cluster, which says nothing of others."""
    sum_C, n_C = _by_cluster(value_N, cluster_N)
    if len(sum_C) < 2:
        return Interval(np.nan, np.nan)
    times_RC = drawn.multinomial(len(sum_C), np.full(len(sum_C), 1 / len(sum_C)), RESAMPLES)
    return percentile((times_RC @ sum_C) / (times_RC @ n_C))


def flipped_p(difference_N: Floats, cluster_N: pd.Series, drawn: np.random.Generator) -> float:
    """p of a two-sided permutation test that two paired values are alike: the sign of each cluster's differences at random."""
    sum_C, _ = _by_cluster(difference_N, cluster_N)
    sign_RC = drawn.choice([-1.0, 1.0], (FLIPS, len(sum_C)))
    as_far = np.abs(sign_RC @ sum_C) >= abs(sum_C.sum()) * (1 - 1e-9)
    return float((as_far.sum() + 1) / (FLIPS + 1))


def _by_cluster(value_N: Floats, cluster_N: pd.Series) -> tuple[Floats, Floats]:
    """(C,) sum and number of the values of each."""
    grouped = pd.Series(value_N).groupby(cluster_N.to_numpy())
    return grouped.sum().to_numpy(), grouped.size().to_numpy(np.float64)
