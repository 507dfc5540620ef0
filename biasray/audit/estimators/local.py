"""Ridge regression on the references that are still plausible: locally weighted regression (Cleveland 1979).

Of answers that are standardised over the references, reference j counts with

    w_j = exp(-mean_k (a_k - r_jk)^2 / 2 width^2), scaled to sum 1,

where k runs over the images that were asked about, and the figures of bias y are regressed on the answers to them with these
weights and the penalty |b|^2. Any images may be missing, other ones for every model.

Axes: R reference, M model, N image, S image that was asked about, T figure of bias.
"""

from typing import NamedTuple, Self, final

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin

from biasray.audit.embedding import Floats, Standard

LEAST = 0.05  # of what a reference leaves to the others in an estimate of itself


class Told(NamedTuple):
    """What the answers so far say of one model."""

    value_T: Floats
    spread_T: Floats  # by how far the plausible references miss their own figures, each told by the others
    gain_N: Floats  # by how much the answer to each image would reduce the variance of the figures; -inf where it is there


class Regression(NamedTuple):
    """The weighted regression for one model."""

    asked_N: NDArray[np.bool_]
    weight_R: Floats
    off_RS: Floats  # answers of the references minus their weighted mean
    from_SR: Floats  # from figures to slopes
    left_RT: Floats  # of the figures
    value_T: Floats


@final
class Local(RegressorMixin, BaseEstimator):
    """Width and penalty were chosen on the 66 age regressors of a first study (RESULTS.md)."""

    def __init__(self, width: float = 1.0, penalty: float = 1.0) -> None:
        self.width, self.penalty = width, penalty

    def fit(self, X: Floats, y: Floats) -> Self:
        """Keep answers `X` (R, N) and bias `y` (R,) or (R, T)."""
        self.scaler_ = Standard(X)
        self.answer_RN_ = self.scaler_(X).double().numpy()
        self.y_RT_, self.single_ = np.reshape(y, (len(y), -1)).astype(float), np.ndim(y) == 1
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X: Floats) -> Floats:
        """(M,) or (M, T) bias of models with answers `X` (M, N), NaN where an image was not asked about."""
        found_MT = np.stack([self._regression(answer_N).value_T for answer_N in X])
        return found_MT[:, 0] if self.single_ else found_MT

    def told(self, answer_N: Floats) -> Told:
        """What one model's answers say, NaN where an image was not asked about."""
        found = self._regression(answer_N)
        own_R = np.einsum("rs,sr->r", found.off_RS, found.from_SR) + found.weight_R
        missed_RT = found.left_RT / np.clip(1 - own_R, LEAST, 1)[:, None]
        return Told(found.value_T, np.sqrt(found.weight_R @ missed_RT**2), self._gains(found))

    def _regression(self, answer_N: Floats) -> Regression:
        given_N = self.scaler_(answer_N[None])[0].double().numpy()
        asked_N = np.isfinite(given_N)
        known_RS = self.answer_RN_[:, asked_N]
        weight_R = self._weights(given_N[asked_N], known_RS)
        mean_S, mean_T = weight_R @ known_RS, weight_R @ self.y_RT_
        off_RS, y_RT = known_RS - mean_S, self.y_RT_ - mean_T
        inverse_SS = np.linalg.inv((weight_R * off_RS.T) @ off_RS + self.penalty * np.eye(len(mean_S)))
        from_SR = inverse_SS @ (weight_R * off_RS.T)
        left_RT = y_RT - off_RS @ (from_SR @ y_RT)
        value_T = mean_T + (given_N[asked_N] - mean_S) @ (from_SR @ y_RT)
        return Regression(asked_N, weight_R, off_RS, from_SR, left_RT, value_T)

    def _weights(self, given_S: Floats, known_RS: Floats) -> Floats:
        if not len(given_S):
            return np.full(len(known_RS), 1 / len(known_RS))
        far_R = ((known_RS - given_S) ** 2).mean(1) / (2 * self.width**2)
        weight_R = np.exp(far_R.min() - far_R)
        return np.asarray(weight_R / weight_R.sum())

    def _gains(self, found: Regression) -> Floats:
        """Of each image: the squared covariance of what is left of its answers and of the figures, in their variances."""
        off_RN = self.answer_RN_ - found.weight_R @ self.answer_RN_
        left_RN = off_RN - found.off_RS @ (found.from_SR @ off_RN)
        shared_TN = (found.weight_R * found.left_RT.T) @ left_RN
        variance_N = found.weight_R @ left_RN**2 + self.penalty
        scale_T = np.maximum(self.y_RT_.var(0), np.finfo(float).tiny)
        gain_N = (shared_TN**2 / scale_T[:, None]).sum(0) / variance_N
        return np.where(found.asked_N, -np.inf, gain_N)


ESTIMATORS = {"local": Local}
