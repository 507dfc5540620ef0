"""How far an estimate can be trusted. Axes: M model, R reference, N image that was asked about."""

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from biasray.audit.embedding import Standard
from biasray.metrics.counts import Floats

LEVEL = 0.9
# Of 66 age regressors on FairFace, each architecture left out in turn, none is farther than 1.22; one that does not answer in
# years is at 3.6 or more.
STRANGE = 1.5
OWN = 0.5  # of the least that any reference says of its own: below it a model hides behind the usual answers
# Of 264 age regressors, left out likewise, none has less than 0.94 after 80 answers; DeepFace, of another kind, has 0.5.
AGREES = 0.75  # of the least correlation that any reference has with those of other architectures
TURNED = -0.5  # correlation with the references below which labels are counted the other way round


def half_width(off_R: Floats) -> float:
    """Half of an interval that holds the truth of a further model with 90 %, from the errors on models that were left out.

    Split conformal prediction (Vovk et al. 2005): the (n + 1) 0.9-th smallest error. Infinite for fewer than nine.
    """
    place = math.ceil((len(off_R) + 1) * LEVEL)
    return float(np.sort(np.abs(off_R))[place - 1]) if place <= len(off_R) else math.inf


def unlike(answer_MN: Floats, answer_RN: Floats, architecture_R: pd.Series) -> Floats:
    """(M,) how far a model's answers are from the nearest reference's, where 1 is as far as it is for any reference.

    A reference is compared with those of other architectures, as a model is that none of them is like; 0 where all are of one
    architecture, which tells nothing. Distances are those of answers in standard deviations of the references.
    """
    if architecture_R.nunique() < 2:
        return np.zeros(len(answer_MN))
    scaler = Standard(answer_RN)
    own_RN, model_MN = scaler(answer_RN).numpy(), scaler(answer_MN).numpy()
    far = 0.0
    for name in architecture_R.unique():
        mine_R = (architecture_R == name).to_numpy()
        far = max(far, float(_nearest(own_RN[mine_R], own_RN[~mine_R]).max()))
    return _nearest(model_MN, own_RN) / max(far, np.finfo(float).tiny)


def _nearest(answer_MN: Floats, answer_RN: Floats) -> Floats:
    return np.asarray(NearestNeighbors(n_neighbors=1).fit(answer_RN).kneighbors(answer_MN)[0][:, 0])


def turned(answer_MN: Floats, answer_RN: Floats) -> Floats:
    """(M,) correlation of a model's answers with the references' mean; near -1 it counts its labels the other way round.

    0 where all answers are alike.
    """
    own_MN, mean_N = answer_MN - answer_MN.mean(1, keepdims=True), answer_RN.mean(0) - answer_RN.mean()
    length_M = np.linalg.norm(own_MN, axis=1) * np.linalg.norm(mean_N)
    return np.asarray(np.divide(own_MN @ mean_N, length_M, out=np.zeros(len(own_MN)), where=length_M > 0))


def agreement(answer_RN: Floats, architecture_R: pd.Series) -> float:
    """The least correlation of a reference's answers with the mean of those of other architectures; 0 where all are of one."""
    if architecture_R.nunique() < 2:
        return 0.0
    least = 1.0
    for name in architecture_R.unique():
        mine_R = (architecture_R == name).to_numpy()
        least = min(least, float(turned(answer_RN[mine_R], answer_RN[~mine_R]).min()))
    return least


def own(answer_MN: Floats, answer_RN: Floats) -> Floats:
    """(M,) how far a model's answers are from the references' mean, where 1 is the least that is so of any reference.

    Near 0 are the usual answers, which every model gives more or less and none exactly.
    """
    scaler = Standard(answer_RN)
    model_M, least_R = (scaler(given).double().norm(dim=1).numpy() for given in (answer_MN, answer_RN))
    return np.asarray(model_M / max(float(least_R.min()), np.finfo(float).tiny))


def refused(unlike_M: Floats, turned_M: Floats, own_M: Floats, agreed: float) -> NDArray[np.bool_]:
    """(M,) whether no interval is given; `agreed` is the references' `agreement`, which tells nothing unless it is above 0."""
    return (unlike_M > STRANGE) | (turned_M < (AGREES * agreed if agreed > 0 else TURNED)) | (own_M < OWN)
