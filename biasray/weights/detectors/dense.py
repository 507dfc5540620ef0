"""A dense layer for each layer's weights and biases (Serna et al., IFBiD; Sialelli et al., III-A).

To 300 features, ReLU, dropout 0.1; all to the levels. With `--layers conv` this is the papers' dense, with all layers their
dense + dense. It sees each weight by its place, so what it learns holds for one order of the units.
"""

from typing import final

from torch import nn

from biasray.networks.layout import Layout
from biasray.weights.chain import chain
from biasray.weights.neural import ByLayer, Flat, Neural

WIDTH, DROPOUT = 300, 0.1


@final
class Dense(Neural):
    def network(self, levels: int) -> nn.Module:
        layers = chain(self.layout)
        return ByLayer({layer.weight.name: Flat(layer, WIDTH, DROPOUT) for layer in layers}, WIDTH * len(layers), levels)


def _dense(layout: Layout, seed: int) -> Dense:
    return Dense(layout, seed=seed)


DETECTORS = {"dense": _dense}
