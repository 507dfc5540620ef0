"""Layers as steps in time, read by an LSTM (Sialelli et al., III-A).

LSTM(longest layer -> 100), the last state to the levels; each layer's weights and biases in one row, zeros behind the shorter
ones. `gru` has a GRU in its place. Of the paper's other forms (principal components, random subsets, convolutions in front)
none is here.
"""

from typing import final

import torch
from torch import Tensor, nn

from biasray.networks.layout import Layout
from biasray.weights.chain import Layer, chain
from biasray.weights.neural import Neural

WIDTH = 100


@final
class Recurrent(nn.Module):
    def __init__(self, layers: tuple[Layer, ...], levels: int, gated: bool) -> None:
        super().__init__()
        self.steps = [(layer.weight, *layer.vectors) for layer in layers]
        self.longest = max(sum(entry.stop - entry.start for entry in step) for step in self.steps)
        self.cell = (nn.GRU if gated else nn.LSTM)(self.longest, WIDTH, batch_first=True)
        self.head = nn.Linear(WIDTH, levels)

    def forward(self, weight_MP: Tensor) -> Tensor:
        padded_MLP = weight_MP.new_zeros(len(weight_MP), len(self.steps), self.longest)
        for k, step in enumerate(self.steps):
            row_MP = torch.cat([weight_MP[:, entry.start : entry.stop] for entry in step], 1)
            padded_MLP[:, k, : row_MP.shape[1]] = row_MP
        logits: Tensor = self.head(self.cell(padded_MLP)[0][:, -1])
        return logits


@final
class Rnn(Neural):
    def network(self, levels: int) -> nn.Module:
        return Recurrent(chain(self.layout), levels, gated=False)


@final
class Gru(Neural):
    def network(self, levels: int) -> nn.Module:
        return Recurrent(chain(self.layout), levels, gated=True)


def _rnn(layout: Layout, seed: int) -> Rnn:
    return Rnn(layout, seed=seed)


def _gru(layout: Layout, seed: int) -> Gru:
    return Gru(layout, seed=seed)


DETECTORS = {"rnn": _rnn, "gru": _gru}
