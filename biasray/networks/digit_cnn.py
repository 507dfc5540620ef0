"""The networks of DigitWdb (Serna et al., IFBiD) and of its generalisation family (Sialelli et al., figures 1 and 6)."""

from typing import final

from torch import Tensor, nn

from biasray.networks.network import Network, Shape


@final
class DigitCNN(Network):
    """conv 24 (5x5), conv 48 (3x3), conv 64 (3x3), each max-pool 2 and ReLU; dense 128; dropout 0.3; head.

    49,562 parameters on 3 x 28 x 28. `wide` pads the image by 2 pixels, to the family's 32 x 32, and puts a dense layer
    of 3,163 before the one of 128. Pooling comes before ReLU: the same function, and cheaper.
    """

    def __init__(self, shape: Shape, outputs: int, wide: bool = False) -> None:
        super().__init__()
        c, h, w = shape
        if min(h, w) < 24:
            raise ValueError(f"digit-cnn needs images of at least 24 x 24 pixels, not {h} x {w}; import larger ones.")
        layers: list[nn.Module] = []
        for width, kernel, padding in ((24, 5, 2 if wide else 0), (48, 3, 0), (64, 3, 0)):
            layers += [nn.Conv2d(c, width, kernel, padding=padding), nn.MaxPool2d(2), nn.ReLU()]
            c, h, w = width, (h + 2 * padding - kernel + 1) // 2, (w + 2 * padding - kernel + 1) // 2
        features = 64 * h * w
        extra = [nn.Linear(features, 3163), nn.ReLU()] if wide else []
        last = nn.Linear(3163 if wide else features, 128)
        self.body = nn.Sequential(*layers, nn.Flatten(), *extra, last, nn.ReLU(), nn.Dropout(0.3))
        self.head = nn.Linear(128, outputs)

    def features(self, image_BCHW: Tensor) -> Tensor:
        out: Tensor = self.body(image_BCHW)
        return out
