"""The multi-layer perceptron of coloured MNIST: three hidden layers of 100 (Nam et al. 2020)."""

from itertools import pairwise
from typing import final

from torch import Tensor, nn

from biasray.networks.network import Network, Shape


@final
class Divided(nn.Module):
    """What it is given, divided by a constant."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, x: Tensor) -> Tensor:
        return x / self.by


@final
class MLP(Network):
    """`dim` divides images by 255 first: the code published with Nam et al. does so twice."""

    def __init__(self, shape: Shape, outputs: int, hidden: int = 100, dim: bool = False) -> None:
        super().__init__()
        c, h, w = shape
        widths = [c * h * w, hidden, hidden, hidden]
        layers = [nn.Sequential(nn.Linear(i, o), nn.ReLU()) for i, o in pairwise(widths)]
        first = nn.Sequential(Divided(255.0), nn.Flatten()) if dim else nn.Flatten()
        self.body = nn.Sequential(first, *layers)
        self.head = nn.Linear(hidden, outputs)

    def features(self, image_BCHW: Tensor) -> Tensor:
        out: Tensor = self.body(image_BCHW)
        return out
