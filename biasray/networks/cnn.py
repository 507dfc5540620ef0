"""A small convolutional network of our own for faces at 32 to 128 pixels: 95,000 parameters."""

from typing import Literal, final

from torch import Tensor, nn

from biasray.networks.network import Network, Shape
from biasray.networks.norm import WorldBatchNorm2d


@final
class SmallCNN(Network):
    """conv 32 (5x5, stride 2), conv 64 (3x3), conv 128 (3x3), average over positions, head.

    Group norm (groups of 8 channels) keeps examples apart; batch norm is over the global batch.
    Pooling comes before the norm, which then costs a quarter; a bias before a norm would only feed Adam noise.
    """

    def __init__(self, shape: Shape, outputs: int, norm: Literal["group", "batch"]) -> None:
        super().__init__()
        c, h, w = shape
        if min(h, w) < 16:
            raise ValueError(f"cnn needs images of at least 16 x 16 pixels, not {h} x {w}; import larger ones.")

        def normed(width: int) -> nn.Module:
            return nn.GroupNorm(width // 8, width) if norm == "group" else WorldBatchNorm2d(width)

        layers: list[nn.Module] = [nn.Conv2d(c, 32, 5, stride=2, padding=2, bias=False), normed(32), nn.ReLU()]
        for before, width in ((32, 64), (64, 128)):
            layers += [nn.Conv2d(before, width, 3, padding=1, bias=False), nn.MaxPool2d(2), normed(width), nn.ReLU()]
        self.body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(128, outputs)

    def features(self, image_BCHW: Tensor) -> Tensor:
        out: Tensor = self.body(image_BCHW)
        return out
