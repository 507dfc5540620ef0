"""What goes in front of a detector, so that the order of hidden units tells it nothing. Axes: M model, P weight, U V unit."""

from itertools import zip_longest
from typing import Any, Self, final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.pipeline import Pipeline
from torch import Tensor

from biasray.networks.layout import Layout
from biasray.random import key
from biasray.weights.chain import chain, hidden, reordered, shuffled
from biasray.weights.neural import Neural

PASSES = 20  # over the layers, at most


@final
class Columns(TransformerMixin, BaseEstimator):
    """Some of the weights alone."""

    def __init__(self, columns: list[int]) -> None:
        self.columns = columns

    def fit(self, X: NDArray[Any], y: object = None) -> Self:
        return self

    def transform(self, X: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(X)[:, self.columns]

    def __sklearn_is_fitted__(self) -> bool:
        return True


@final
class Canonical(TransformerMixin, BaseEstimator):
    """Puts each model's hidden units in the order in which they are most like those of the first model it was fitted on.

    Weight matching of Ainsworth et al. 2023 (Git Re-Basin, algorithm 1): layer by layer, in turn, the order with the largest
    inner product of incoming and outgoing weights, until nothing moves.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def fit(self, X: NDArray[Any], y: object = None) -> Self:
        self.reference_ = torch.from_numpy(np.array(X[:1], np.float32))
        return self

    def transform(self, X: NDArray[Any]) -> NDArray[Any]:
        weight_MP = torch.from_numpy(np.ascontiguousarray(X, np.float32))
        return np.concatenate([self._matched(row_1P).numpy() for row_1P in weight_MP.split(1)])

    def _matched(self, row_1P: Tensor) -> Tensor:
        layers, like = chain(self.layout), self.layout.take(self.reference_)
        order = [torch.arange(layer.units)[None] for layer in hidden(layers)]
        for _ in range(PASSES):
            moved = False
            for k, (layer, after) in enumerate(zip_longest(hidden(layers), layers[1 : len(order) + 1])):
                own = self.layout.take(reordered(row_1P, self.layout, order))
                gain_UU = layer.between(like)[0].flatten(1) @ layer.between(own)[0].flatten(1).T
                if after:  # of convolutions alone nothing reads the last
                    gain_UU += (
                        after.between(like)[0].transpose(0, 1).flatten(1) @ after.between(own)[0].transpose(0, 1).flatten(1).T
                    )
                for vector in layer.vectors:
                    gain_UU += like[vector.name][0, :, None] * own[vector.name][0]
                best_U = torch.from_numpy(linear_sum_assignment(gain_UU.numpy(), maximize=True)[1])
                moved |= bool((best_U != torch.arange(layer.units)).any())
                order[k] = order[k][:, best_U]
            if not moved:
                break
        return reordered(row_1P, self.layout, order)


@final
class Augmented(ClassifierMixin, BaseEstimator):
    """Fits a detector on each model several times, each time but the first with its hidden units in another order.

    Where models are enough to hold some out, a neural detector stops by no copy of one that it learns from.
    """

    def __init__(self, detector: Any, layout: Layout, copies: int = 4, seed: int = 0) -> None:
        self.detector, self.layout, self.copies, self.seed = detector, layout, copies, seed

    def fit(self, X: NDArray[Any], y: NDArray[Any], **told: Any) -> Self:
        """`told` goes to the detector's own `fit`."""
        weight_MP = torch.from_numpy(np.ascontiguousarray(X, np.float32))
        others = [shuffled(weight_MP, self.layout, key(self.seed, "copy", k)) for k in range(1, self.copies)]
        step, last = self.detector.steps[-1] if isinstance(self.detector, Pipeline) else ("", self.detector)
        if isinstance(last, Neural):
            told |= {f"{step}__model" if step else "model": np.tile(np.arange(len(X)), self.copies)}
        every_MP = torch.cat([weight_MP, *others]).numpy()
        self.detector_ = clone(self.detector).fit(every_MP, np.tile(y, self.copies), **told)
        self.classes_, self.n_features_in_ = self.detector_.classes_, X.shape[1]
        return self

    def predict(self, X: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(self.detector_.predict(X))

    def predict_proba(self, X: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(self.detector_.predict_proba(X))
