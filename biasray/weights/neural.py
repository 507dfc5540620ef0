"""Neural detectors as scikit-learn classifiers. Axes: M model, P weight, U V R as in `chain`, F feature, K level of bias."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self, final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

from biasray.networks.layout import Entry, Layout
from biasray.random import generator, key
from biasray.weights.chain import Layer

HELD_OUT = 0.15  # of the models, to stop by
AT_ONCE = 64  # models predicted together


class Neural(ClassifierMixin, BaseEstimator, ABC):
    """Adam on cross-entropy; stops where the loss of held-out models has not fallen for `patience` epochs, keeps the best."""

    network_: nn.Module  # fitted
    by_weight: ClassVar[int] = 2  # numbers that are kept of each weight of a batch's models while the detector learns

    def __init__(
        self, layout: Layout, epochs: int = 100, lr: float = 1e-3, batch: int = 32, patience: int = 15, seed: int = 0
    ) -> None:
        self.layout, self.epochs, self.lr, self.batch, self.patience, self.seed = layout, epochs, lr, batch, patience, seed

    @abstractmethod
    def network(self, levels: int) -> nn.Module:
        """From rows of weights (M, P) to logits (M, K)."""

    def size(self, levels: int) -> int:
        """Number of weights of the network."""
        with torch.device("meta"):
            return sum(p.numel() for p in self.network(levels).parameters())

    def fit(
        self, X: NDArray[Any], y: NDArray[Any], start: "Neural | None" = None, model: NDArray[np.int64] | None = None
    ) -> Self:
        """Learn to tell levels `y` from weights `X` (M, P).

        Every tensor of the fitted detector `start` that fits by name and shape is what this one begins with. Rows that are the
        same `model` (M,), in different orders of its units, are held out together.
        """
        self.classes_, code = np.unique(y, return_inverse=True)
        self.n_features_in_ = X.shape[1]
        weight_MP, level_M = torch.from_numpy(np.ascontiguousarray(X, np.float32)), torch.from_numpy(code)
        learnt, held = self._held_out(code, np.arange(len(code)) if model is None else model)
        with torch.random.fork_rng():
            torch.manual_seed(key(self.seed, "detector"))
            network = self.network(len(self.classes_))
            if start is not None:
                own = network.state_dict()
                given = start.network_.state_dict().items()
                network.load_state_dict({**own, **{k: v for k, v in given if k in own and own[k].shape == v.shape}})
            self.network_ = self._trained(network, weight_MP, level_M, learnt, held)
        return self

    def _held_out(self, code_M: NDArray[np.int64], model_M: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Rows to learn from, and to stop by: all of them for both where a level has too few models."""
        models, first = np.unique(model_M, return_index=True)
        if np.bincount(code_M[first]).min() < 2 or HELD_OUT * len(models) < len(self.classes_):
            return torch.arange(len(code_M)), torch.arange(len(code_M))
        parts = train_test_split(models, test_size=HELD_OUT, stratify=code_M[first], random_state=self.seed)
        learnt, held = (torch.from_numpy(np.flatnonzero(np.isin(model_M, part))) for part in parts)
        return learnt, held

    def _trained(self, network: nn.Module, weight_MP: Tensor, level_M: Tensor, learnt: Tensor, held: Tensor) -> nn.Module:
        adam, order = torch.optim.Adam(network.parameters(), self.lr), generator(self.seed, "detector order")
        best, state, since = float("inf"), {name: t.clone() for name, t in network.state_dict().items()}, 0
        for _ in range(self.epochs):
            network.train()
            for rows in learnt[torch.randperm(len(learnt), generator=order)].split(self.batch):
                loss = F.cross_entropy(network(weight_MP[rows]), level_M[rows])
                adam.zero_grad()
                loss.backward()
                adam.step()
            told = float(F.cross_entropy(self._logits(network, weight_MP[held]), level_M[held]))
            since += 1
            if told < best:
                best, since = told, 0
                for name, t in network.state_dict().items():
                    state[name].copy_(t)  # in place: a large detector fills much of a machine's memory
            if since == self.patience:
                break
        network.load_state_dict(state)
        return network.eval()

    @torch.inference_mode()
    def _logits(self, network: nn.Module, weight_MP: Tensor) -> Tensor:
        network.eval()
        return torch.cat([network(part) for part in weight_MP.split(AT_ONCE)])

    def predict_proba(self, X: NDArray[Any]) -> NDArray[Any]:
        logits_MK = self._logits(self.network_, torch.from_numpy(np.ascontiguousarray(X, np.float32)))
        return np.asarray(logits_MK.softmax(1))

    def predict(self, X: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(self.classes_[self.predict_proba(X).argmax(1)])


@final
class ByLayer(nn.Module):
    """A block for each layer, from its weights to features; all features to the levels."""

    def __init__(self, blocks: Mapping[str, nn.Module], features: int, levels: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleDict({name.replace(".", "_"): block for name, block in blocks.items()})
        self.head = nn.Linear(features, levels)

    def forward(self, weight_MP: Tensor) -> Tensor:
        logits: Tensor = self.head(torch.cat([block(weight_MP) for block in self.blocks.values()], 1))
        return logits


@final
class Flat(nn.Module):
    """(M, P) to (M, width): weights and biases of one layer, through a dense layer, ReLU and dropout."""

    def __init__(self, layer: Layer, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.entries: tuple[Entry, ...] = (layer.weight, *layer.vectors)
        self.dense = nn.Linear(sum(entry.stop - entry.start for entry in self.entries), width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, weight_MP: Tensor) -> Tensor:
        out: Tensor = self.dropout(self.dense(torch.cat([weight_MP[:, e.start : e.stop] for e in self.entries], 1)).relu())
        return out
