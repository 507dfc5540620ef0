"""The network of DigitWdb (figure 1 of Serna et al., IFBiD): 49,562 parameters on 3 x 28 x 28."""

from typing import final

from torch import Tensor, nn

from biasray.networks.network import Network, Shape


@final
class DigitCNN(Network):
    """conv 24 (5x5), conv 48 (3x3), conv 64 (3x3), each max-pool 2 and ReLU; dense 128; dropout 0.3; head.

    Pooling comes before ReLU: the same function, and cheaper.
    """

    def __init__(self, shape: Shape, outputs: int) -> None:
        super().__init__()
        c, h, w = shape
        if min(h, w) < 24:
            raise ValueError(f"digit-cnn needs images of at least 24 x 24 pixels, not {h} x {w}; import larger ones.")
        layers: list[nn.Module] = []
        for width, kernel in ((24, 5), (48, 3), (64, 3)):
            layers += [nn.Conv2d(c, width, kernel), nn.MaxPool2d(2), nn.ReLU()]
            c, h, w = width, (h - kernel + 1) // 2, (w - kernel + 1) // 2
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * h * w, 128), nn.ReLU(), nn.Dropout(0.3))
        self.head = nn.Linear(128, outputs)

    def features(self, image_BCHW: Tensor) -> Tensor:
        out: Tensor = self.body(image_BCHW)
        return out
