"""What a row of weights says whatever the order of its hidden units: scikit-learn transformers from weights to features.

Axes: M member, P weight, F feature, U unit, V unit of the layer before, R weights between two units, K output, C input channel.
"""

from collections.abc import Callable
from typing import Self, final

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from torch import Tensor

from biasray.networks.layout import Layout
from biasray.weights.chain import chain

Floats = NDArray[np.floating]
QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)
SINGULAR = 10  # values of each layer, the largest
AT_ONCE = 256  # models whose features are computed together: for many more the layers' products would not fit in memory


@final
class Statistics(TransformerMixin, BaseEstimator):
    """Mean, variance and quartiles of the weights and of the biases of each layer (Unterthiner et al. 2020)."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def fit(self, X: Floats, y: object = None) -> Self:
        return self

    def transform(self, X: Floats) -> Floats:
        return by_parts(self._some, X)

    def _some(self, X: Floats) -> Floats:
        found = []
        for entry in self.layout.entries:
            part_MP = X[:, entry.start : entry.stop]
            found += [part_MP.mean(1), part_MP.var(1), *np.quantile(part_MP, QUANTILES, axis=1)]
        return np.stack(found, 1)

    def __sklearn_is_fitted__(self) -> bool:
        return True


@final
class Invariants(TransformerMixin, BaseEstimator):
    """Figures of the whole chain that no order of units changes, beside the statistics of each layer.

    The sum over all paths from input channel c to output k of the product of their weights, as they are and in absolute
    value (K x C each): what is read from colour, were the network linear. The largest singular values of each layer. The
    covariance of the first layer's channels. Norm and bias of each output. Of convolutions alone, whose last units are hidden
    ones, only what needs no outputs.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def fit(self, X: Floats, y: object = None) -> Self:
        return self

    def transform(self, X: Floats) -> Floats:
        return by_parts(self._some, X)

    def _some(self, X: Floats) -> Floats:
        tensors = self.layout.take(torch.from_numpy(np.ascontiguousarray(X, np.float32)))
        layers = chain(self.layout)
        each = [layer.between(tensors).double() for layer in layers]
        found = []
        for w_MUVR in each:
            w_MUI = w_MUVR.flatten(2)
            w_MUI = w_MUI if w_MUI.shape[1] <= w_MUI.shape[2] else w_MUI.mT
            values = torch.linalg.eigvalsh(w_MUI @ w_MUI.mT).clamp(min=0).sqrt()  # of the squares, at a tenth of the cost
            found.append(values[:, -SINGULAR:])
        first_MCN = each[0].transpose(1, 2).flatten(2)
        found.append((first_MCN @ first_MCN.mT / first_MCN.shape[2]).flatten(1))
        if layers[-1].is_dense:
            found += [_paths([w.mean(3) for w in each]), _paths([w.abs().mean(3) for w in each])]
            found.append(each[-1].flatten(2).norm(dim=2))
            found += [tensors[v.name].double() for v in layers[-1].vectors]
        return torch.cat([f.flatten(1) for f in found], 1).numpy()

    def __sklearn_is_fitted__(self) -> bool:
        return True


def by_parts(features: Callable[[Floats], Floats], X: Floats) -> Floats:
    """(M, F) of the rows of X, some at a time."""
    rows = np.asarray(X)
    return np.concatenate([features(rows[at : at + AT_ONCE]) for at in range(0, max(len(rows), 1), AT_ONCE)])


def _paths(each: list[Tensor]) -> Tensor:
    """(M, K, C): the product of the layers, each scaled to a mean square of 1."""
    out = None
    for w_MUV in each:
        scaled = w_MUV / w_MUV.square().mean((1, 2), keepdim=True).sqrt()
        out = scaled if out is None else scaled @ out / w_MUV.shape[2] ** 0.5
    assert out is not None
    return out
