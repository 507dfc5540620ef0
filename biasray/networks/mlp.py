"""The multi-layer perceptron of coloured MNIST: three hidden layers of 100 (Nam et al. 2020)."""

from itertools import pairwise
from typing import final

from torch import Tensor, nn

from biasray.networks.network import Network, Shape


@final
class MLP(Network):
    """Its images are divided by `dim` first: the code published with Nam et al. divides them by 255 twice."""

    def __init__(self, shape: Shape, outputs: int, hidden: int = 100, dim: float = 1.0) -> None:
        super().__init__()
        self.dim = dim
        c, h, w = shape
        widths = [c * h * w, hidden, hidden, hidden]
        layers = [nn.Sequential(nn.Linear(i, o), nn.ReLU()) for i, o in pairwise(widths)]
        self.body = nn.Sequential(nn.Flatten(), *layers)
        self.head = nn.Linear(hidden, outputs)

    def features(self, image_BCHW: Tensor) -> Tensor:
        out: Tensor = self.body(image_BCHW / self.dim)
        return out
