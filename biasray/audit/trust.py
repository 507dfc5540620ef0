"""How far an estimate can be trusted. Axes: M model, R reference, N image that was asked about."""

import math
from typing import NamedTuple, final

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


def half_width(off_R: Floats, architecture_R: pd.Series) -> float:
    """Half of an interval that is to hold the truth of a further model with 90 %, from the errors on models left out.

    As wide as each architecture's own errors need it: what is audited is of an architecture that no reference has, so an
    interval that holds for all references together, but not for those of the noisiest architecture, may not hold for it.

    Split conformal prediction (Vovk et al. 2005): of an architecture the (n + 1) 0.9-th smallest error. Infinite where one
    has fewer than nine.
    """
    return max(_conformal(np.abs(off_R[(architecture_R == name).to_numpy()])) for name in architecture_R.unique())


def _conformal(error_R: Floats) -> float:
    place = math.ceil((len(error_R) + 1) * LEVEL)
    return float(np.sort(error_R)[place - 1]) if place <= len(error_R) else math.inf


class Likeness(NamedTuple):
    """How models answer beside the references: of each of them, (M,), and of the references themselves."""

    far_M: Floats
    """Distance from the nearest reference, where 1 is as far as any is from those of other architectures; 0 where all are of
    one architecture, which tells nothing. Distances are those of answers in standard deviations of the references."""
    along_M: Floats
    """Correlation with the references' mean; near -1 labels are counted the other way round. 0 where all answers are alike."""
    own_M: Floats
    """Distance from the references' mean, where 1 is the least that is so of any reference. Near 0 are the usual answers,
    which every model gives more or less and none exactly."""
    agreement: float
    """The least correlation of a reference with the mean of those of other architectures; tells nothing unless above 0."""

    def refused(self) -> NDArray[np.bool_]:
        """(M,) whether no interval is given."""
        least = AGREES * self.agreement if self.agreement > 0 else TURNED
        return (self.far_M > STRANGE) | (self.along_M < least) | (self.own_M < OWN)


@final
class Crowd:
    """References, with whose answers those of other models are compared.

    Each is itself compared with those of other architectures, as a model is that none of them is like.
    """

    def __init__(self, answer_RN: Floats, architecture_R: pd.Series) -> None:
        self.scaler, self.mean_N = Standard(answer_RN), answer_RN.mean(0)
        self.known_RN = self.scaler(answer_RN).numpy()
        self.far, self.agreement = np.inf, 0.0
        names = architecture_R.unique()
        if len(names) > 1:
            parts = [(architecture_R == name).to_numpy() for name in names]
            self.far = max(float(_nearest(self.known_RN[mine_R], self.known_RN[~mine_R]).max()) for mine_R in parts)
            self.agreement = min(float(_correlation(answer_RN[mine_R], answer_RN[~mine_R].mean(0)).min()) for mine_R in parts)

    def likeness(self, answer_MN: Floats) -> Likeness:
        model_MN, tiny = self.scaler(answer_MN).numpy(), np.finfo(float).tiny
        far_M = _nearest(model_MN, self.known_RN) / max(self.far, tiny)
        length_M, least = np.linalg.norm(model_MN, axis=1), np.linalg.norm(self.known_RN, axis=1).min()
        return Likeness(far_M, _correlation(answer_MN, self.mean_N), length_M / max(least, tiny), self.agreement)


def _nearest(answer_MN: Floats, answer_RN: Floats) -> Floats:
    return np.asarray(NearestNeighbors(n_neighbors=1).fit(answer_RN).kneighbors(answer_MN)[0][:, 0])


def _correlation(answer_MN: Floats, other_N: Floats) -> Floats:
    own_MN, other_N = answer_MN - answer_MN.mean(1, keepdims=True), other_N - other_N.mean()
    length_M = np.linalg.norm(own_MN, axis=1) * np.linalg.norm(other_N)
    return np.asarray(np.divide(own_MN @ other_N, length_M, out=np.zeros(len(own_MN)), where=length_M > 0))
