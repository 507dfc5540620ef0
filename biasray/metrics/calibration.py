"""Does a classifier know how sure it may be? Axes: N example, K class, S bin of confidence; ... anything."""

from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
BINS = 100


@final
class Reliability(NamedTuple):
    """By bin of confidence, equally wide on [0, 1]: what a reliability diagram shows. Sums, so that parts can be added up."""

    n_S: Floats
    confidence_S: Floats  # sum over examples
    right_S: Floats

    @property
    def error(self) -> NDArray[np.float64]:
        """(...) expected calibration error (Naeini et al. 2015): sum_S n_S / N |right_S / n_S - confidence_S / n_S|."""
        return np.asarray(np.abs(self.right_S - self.confidence_S).sum(-1) / self.n_S.sum(-1))


def reliability(p_NK: Floats, target_N: NDArray[np.integer], bins: int = BINS) -> Reliability:
    """Of class probabilities, by the top one; a confidence on the edge of two bins is in the lower one."""
    top_N, right_N = p_NK.max(1).astype(np.float64), p_NK.argmax(1) == target_N
    bin_N = np.clip(np.ceil(top_N * bins).astype(np.int64) - 1, 0, bins - 1)
    return Reliability(*(np.bincount(bin_N, x_N, bins).astype(float) for x_N in (np.ones(len(top_N)), top_N, right_N)))
