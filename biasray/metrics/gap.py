"""How much worse models do for one group than for another. Axes: M model, N example."""

import numpy as np
from numpy.typing import NDArray

from biasray.metrics.counts import Floats

Mask = NDArray[np.bool_]


def gap(error_MN: Floats, group_N: Mask, against_N: Mask | None = None) -> Floats:
    """(M,) mean error of a group minus that of another, or of all examples; NaN where one of them has none.

    Of absolute errors of age, in years, the gap of mean absolute errors of Zhu et al. 2025 (male minus female, Black minus
    all); of wrong genders that of error rates.
    """
    rest_N = np.ones(error_MN.shape[1], bool) if against_N is None else against_N
    if not group_N.any() or not rest_N.any():
        return np.full(len(error_MN), np.nan)
    return np.asarray(error_MN[:, group_N].mean(1) - error_MN[:, rest_N].mean(1))
