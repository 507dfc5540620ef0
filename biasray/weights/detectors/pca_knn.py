"""Principal components of the raw weights, then the nearest neighbours: the baseline of Sialelli et al., III-A.

100 components and 5 neighbours as there, of equal weight and unscaled; fewer components where there are fewer models. Public
code scales the components and weighs neighbours by distance: `pca-knn-scaled`.
"""

from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from biasray.networks.layout import Layout


@final
class PcaKnn(ClassifierMixin, BaseEstimator):
    def __init__(self, components: int = 100, neighbours: int = 5, scaled: bool = False, seed: int = 0) -> None:
        self.components, self.neighbours, self.scaled, self.seed = components, neighbours, scaled, seed

    def fit(self, X: NDArray[Any], y: NDArray[Any]) -> Self:
        components, neighbours = min(self.components, len(X) - 1), min(self.neighbours, len(X))
        steps: list[Any] = [PCA(components, svd_solver="randomized", random_state=self.seed)]
        steps += [StandardScaler()] * self.scaled
        nearest = KNeighborsClassifier(neighbours, weights="distance" if self.scaled else "uniform")
        self.pipeline_: Pipeline = make_pipeline(*steps, nearest).fit(X, y)
        self.classes_, self.n_features_in_ = self.pipeline_.classes_, X.shape[1]
        return self

    def predict(self, X: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(self.pipeline_.predict(X))

    def predict_proba(self, X: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(self.pipeline_.predict_proba(X))


def _plain(layout: Layout, seed: int) -> PcaKnn:
    return PcaKnn(seed=seed)


def _scaled(layout: Layout, seed: int) -> PcaKnn:
    return PcaKnn(scaled=True, seed=seed)


DETECTORS = {"pca-knn": _plain, "pca-knn-scaled": _scaled}
