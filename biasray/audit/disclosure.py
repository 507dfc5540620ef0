"""What a kit gives away of the private data: whether a face is among them.

A kit holds the bias of each reference on the private images: R averages over them. Whoever has a face and the references
themselves can ask whether these averages lean towards what the references make of this face (Homer et al. 2008; Dwork et al.
2015). The strongest linear test of that is tried here, with images that the attacker has of the same source: with d_i the bias
of reference i that the kit tells, minus that on the attacker's own images, z_i(x) what the face x would add to it, and C the
covariance of what faces add, the face is taken for a private one where d' C^-1 z(x) is large.

Axes: R reference, P image, T figure of bias, E = R x T.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf
from sklearn.metrics import roc_auc_score

from biasray.audit.figures import Figure, sides, truth
from biasray.metrics.counts import Floats
from biasray.metrics.interval import over_seeds
from biasray.random import rng

DRAWS = 10
LEAST = 10  # images of each group in each part


class Traced(NamedTuple):
    """Area under the curve of the test, 0.5 where nothing is told and 1 where all is: its mean over divisions of the images.

    The interval says how well that mean is known for these images and references, not what others would give.
    """

    value: float
    low: float
    high: float
    images: int  # that the averages are over; more give away less


def traced(figures: Sequence[Figure], error_RP: Floats, examples: pd.DataFrame) -> Traced | None:
    """A quarter of the images that figures compare is what the averages are of, a half the attacker's own, a quarter others.

    None for too few of them.
    """
    auc, compared = list[float](), np.any([mask for f in figures for mask in sides(f, examples)], axis=0)
    for draw in range(DRAWS):
        private, others, *halves = np.array_split(rng("traced", draw).permutation(np.flatnonzero(compared)), 4)
        own = np.concatenate(halves)
        parts = [examples.iloc[rows] for rows in (private, own, others)]
        if min(min(mask.sum() for mask in sides(f, part)) for f in figures for part in parts) < LEAST:
            return None
        found = (truth(figures, error_RP[:, rows], part) for rows, part in zip((private, own), parts, strict=False))
        told_E = np.subtract(*found).ravel()
        add_EP = _added(figures, error_RP, examples, own)
        covariance_EE, _ = ledoit_wolf(add_EP[:, own].T)
        score_P = np.linalg.solve(covariance_EE, told_E) @ add_EP
        rows = np.concatenate([private, others])
        auc.append(roc_auc_score(np.arange(len(rows)) < len(private), score_P[rows]))
    interval = over_seeds(np.array(auc))
    return Traced(float(np.mean(auc)), interval.low, interval.high, len(private))


def _added(figures: Sequence[Figure], error_RP: Floats, examples: pd.DataFrame, own: NDArray[np.int64]) -> Floats:
    """(E, P): what each image adds to each figure of each reference, over what an image of its group does on average."""
    add_RTP = np.zeros((len(error_RP), len(figures), len(examples)))
    for t, figure in enumerate(figures):
        for mask_P, sign in zip(sides(figure, examples), (1, -1), strict=True):
            usual_R1 = error_RP[:, own][:, mask_P[own]].mean(1, keepdims=True)
            add_RTP[:, t] += sign * mask_P / mask_P[own].sum() * (error_RP - usual_R1)
    return add_RTP.reshape(-1, len(examples))
