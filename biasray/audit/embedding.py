"""Models as points in a plane, z = W r, in which those of like bias lie together.

Zhu, Kastner and Satoh: Fairness Auditing of Limited-Access Models Using Protected Datasets, IEEE Access 2025: W is 2 x N,
with a penalty lambda sum_k ||w_k||, which leaves out images; the bias of a model is estimated from the references near it.
Which loss W is learnt by is not published.

Axes: R reference, N image that models are asked about, T figure of bias, D = 2, E = T x D.
"""

from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import RidgeCV
from torch import Tensor

from biasray.audit.solver import Loss, descend
from biasray.random import generator

Floats = NDArray[np.floating[Any]]
PLANE = 2
ALPHAS = np.logspace(-2, 5, 22)  # of ridge, on standardised answers
ASIDE = 0.1  # length of the second row of W at the start, of the first's


class Embedding(RegressorMixin, BaseEstimator, ABC):
    """One plane for each figure of bias, each started from ridge: its first axis is what ridge estimates."""

    scale: float  # of the first axis at the start, in standard deviations of the figure

    def __init__(self, steps: int = 50, seed: int = 0) -> None:
        self.steps, self.seed = steps, seed

    @abstractmethod
    def loss(self, place_RD: Tensor, y_R: Tensor) -> tuple[Tensor, Tensor]:
        """How badly one figure, standardised, is told by the places of the references, and its gradient by them."""

    @abstractmethod
    def near(self, distance_MR: Floats, y_R: Floats) -> Floats:
        """(M,) the figure of models at these distances from the references."""

    def fit(self, X: Floats, y: Floats) -> Self:
        """Learn from answers `X` (R, N) and bias `y` (R,) or (R, T)."""
        X, y = np.ascontiguousarray(X), np.ascontiguousarray(y)  # the descent is chaotic, so layouts must not round differently
        y_RT = np.reshape(y, (len(y), -1)).astype(float)
        answer_RN, scaled_RT = Standard(X)(X), Standard(y_RT)(y_RT)
        w_EN = descend(self.objective(answer_RN, scaled_RT), self.start(answer_RN, scaled_RT), 0, self.steps)
        return self.known(X, y, w_EN.reshape(y_RT.shape[1], PLANE, -1))

    def known(self, X: Floats, y: Floats, weight_TDN: Tensor) -> Self:
        """Take W as it was learnt from the same answers and bias before."""
        self.scaler_, self.weight_TDN_ = Standard(X), weight_TDN
        self.y_RT_, self.single_ = np.reshape(y, (len(y), -1)).astype(float), np.ndim(y) == 1
        self.place_RTD_ = self.placed(X)
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X: Floats) -> Floats:
        """(M,) or (M, T) bias of models with answers `X` (M, N)."""
        place_MTD = self.placed(X)
        found = [
            self.near(torch.cdist(place_MTD[:, t], self.place_RTD_[:, t]).double().numpy(), y_R)
            for t, y_R in enumerate(self.y_RT_.T)
        ]
        return found[0] if self.single_ else np.stack(found, 1)

    def start(self, answer_RN: Tensor, y_RT: Tensor) -> Tensor:
        """(E, N): ridge, and a little of chance."""
        coef_TN = np.reshape(RidgeCV(ALPHAS).fit(answer_RN.numpy(), y_RT.numpy()).coef_, (y_RT.shape[1], -1))
        first_TN = self.scale * torch.from_numpy(coef_TN).float()
        aside_TN = torch.randn(first_TN.shape, generator=generator(self.seed, "aside"))
        aside_TN *= ASIDE * first_TN.norm(dim=1, keepdim=True) / aside_TN.norm(dim=1, keepdim=True)
        return torch.stack([first_TN, aside_TN], 1).flatten(0, 1)

    def objective(self, answer_RN: Tensor, y_RT: Tensor) -> Loss:
        """The sum over figures, of w (E, N)."""

        def of(w_EN: Tensor) -> tuple[float, Tensor]:
            place_RTD = (answer_RN @ w_EN.T).unflatten(1, (-1, PLANE))
            value, grads = 0.0, list[Tensor]()
            for t, y_R in enumerate(y_RT.T):
                loss, grad_RD = self.loss(place_RTD[:, t], y_R)
                value += float(loss)
                grads.append(grad_RD)
            return value, torch.cat(grads, 1).T @ answer_RN

        return of

    def placed(self, X: Floats) -> Tensor:
        """(M, T, D) of models with answers `X` (M, N)."""
        return torch.einsum("mn,tdn->mtd", self.scaler_(X), self.weight_TDN_)


class Standard:
    """Columns with mean 0 and standard deviation 1 among the references; those that do not vary are 0."""

    def __init__(self, known: Floats) -> None:
        self.mean, std = known.mean(0), known.std(0)
        self.std = np.where(std > 1e-12 * np.abs(known).max(initial=1e-300), std, np.inf)

    def __call__(self, given: Floats) -> Tensor:
        return torch.from_numpy(((given - self.mean) / self.std).astype(np.float32))


def pulled(pull_RR: Tensor, place_RD: Tensor) -> Tensor:
    """(R, D): the gradient by the places, from that by the squared distance of every ordered pair."""
    both_R1 = (pull_RR.sum(0) + pull_RR.sum(1))[:, None]
    return 2 * (both_R1 * place_RD - pull_RR @ place_RD - pull_RR.T @ place_RD)
