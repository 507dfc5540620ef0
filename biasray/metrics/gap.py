"""How much worse models do for one group than for another. Axes: M model, N example."""

import numpy as np
from numpy.typing import NDArray

from biasray.metrics.counts import Floats

Mask = NDArray[np.bool_]


def gap(error_MN: Floats, group_N: Mask, against_N: Mask) -> Floats:
    """(M,) mean error of a group minus that of another, which may be all examples; NaN where one of them has none.

    Of absolute errors of age, in years, the gap of mean absolute errors of Zhu et al. 2025 (male minus female, Black minus
    all); of wrong genders that of error rates.
    """
    if not group_N.any() or not against_N.any():
        return np.full(len(error_MN), np.nan)
    return np.asarray(error_MN[:, group_N].mean(1) - error_MN[:, against_N].mean(1))
