"""A 1 x 1 convolution over the input channels of each kernel (Serna et al., IFBiD; Sialelli et al., III-A).

Of a convolution (U, V, kernel): V to 100 features at each place of the kernel, ReLU, the largest over the kernel; 100 to 100,
ReLU, the largest over the units. Of a dense layer, weights and biases: one dense layer to 100, ReLU. All to the levels. With
`--layers conv` this is the papers' 1x1conv, with all layers their 1x1conv + dense. Departures: public code pools 3 x 3 over the
kernel, which of a 5 x 5 kernel sees a corner, and pools features where it means to pool units; here both are as described.
"""

from typing import final

from torch import Tensor, nn

from biasray.networks.layout import Layout
from biasray.weights.chain import Layer, chain
from biasray.weights.neural import ByLayer, Flat, Neural

WIDTH = 100


@final
class Pointwise(nn.Module):
    """(M, P) to (M, 100), from one convolution."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.layer = layer
        self.channels, self.units = nn.Linear(layer.before, WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, weight_MP: Tensor) -> Tensor:
        w_MP = weight_MP[:, self.layer.weight.start : self.layer.weight.stop]
        w_MURV = w_MP.reshape(-1, self.layer.units, self.layer.before, self.layer.weights_between).mT
        out_MUF = self.channels(w_MURV).relu().amax(2)
        out: Tensor = self.units(out_MUF).relu().amax(1)
        return out


@final
class Conv1x1(Neural):
    def network(self, levels: int) -> nn.Module:
        layers = chain(self.layout)
        blocks: dict[str, nn.Module] = {
            layer.weight.name: Flat(layer, WIDTH) if layer.is_dense else Pointwise(layer) for layer in layers
        }
        return ByLayer(blocks, WIDTH * len(layers), levels)


def _conv1x1(layout: Layout, seed: int) -> Conv1x1:
    return Conv1x1(layout, seed=seed)


DETECTORS = {"conv1x1": _conv1x1}
