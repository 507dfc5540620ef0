"""The networks of DigitWdb and GenderWdb (Serna et al., IFBiD), and DigitWdb's generalisation family (Sialelli et al.)."""

from collections.abc import Sequence
from typing import final

from torch import Tensor, nn

from biasray.networks.network import Network, Shape


def _convolutions(shape: Shape, layers: Sequence[tuple[int, int, int]]) -> tuple[list[nn.Module], int]:
    """Convolutions of these widths, kernels and paddings, each with max-pool 2 and ReLU, and the features they end in.

    Pooling comes before ReLU: the same function, and cheaper.
    """
    (c, h, w), made = shape, list[nn.Module]()
    for width, kernel, padding in layers:
        made += [nn.Conv2d(c, width, kernel, padding=padding), nn.MaxPool2d(2), nn.ReLU()]
        c, h, w = width, (h + 2 * padding - kernel + 1) // 2, (w + 2 * padding - kernel + 1) // 2
    return [*made, nn.Flatten()], c * h * w


@final
class DigitCNN(Network):
    """conv 24 (5x5), conv 48 (3x3), conv 64 (3x3), each max-pool 2 and ReLU; dense 128; dropout 0.3; head.

    49,562 parameters on 3 x 28 x 28 (Sialelli et al., figure 1). `wide`, their figure 6, pads the image by 2 pixels, to 32 x
    32, and puts a dense layer of 3,163 before the one of 128.
    """

    def __init__(self, shape: Shape, outputs: int, wide: bool = False) -> None:
        super().__init__()
        _, h, w = shape
        if min(h, w) < 24:
            raise ValueError(f"digit-cnn needs images of at least 24 x 24 pixels, not {h} x {w}; import larger ones.")
        layers, features = _convolutions(shape, ((24, 5, 2 if wide else 0), (48, 3, 0), (64, 3, 0)))
        extra = [nn.Linear(features, 3163), nn.ReLU()] if wide else []
        last = nn.Linear(3163 if wide else features, 128)
        self.body = nn.Sequential(*layers, *extra, last, nn.ReLU(), nn.Dropout(0.3))
        self.head = nn.Linear(128, outputs)

    def features(self, image_BCHW: Tensor) -> Tensor:
        out: Tensor = self.body(image_BCHW)
        return out


@final
class GenderCNN(Network):
    """conv 24 (5x5), 48, 48, 64, 64 (3x3), each max-pool 2 and ReLU; dense 128; head. 106,242 parameters on 3 x 120 x 120."""

    def __init__(self, shape: Shape, outputs: int) -> None:
        super().__init__()
        _, h, w = shape
        if min(h, w) < 96:
            raise ValueError(f"gender-cnn needs images of at least 96 x 96 pixels, not {h} x {w}; import larger ones.")
        layers, features = _convolutions(shape, ((24, 5, 0), (48, 3, 0), (48, 3, 0), (64, 3, 0), (64, 3, 0)))
        self.body = nn.Sequential(*layers, nn.Linear(features, 128), nn.ReLU())
        self.head = nn.Linear(128, outputs)

    def features(self, image_BCHW: Tensor) -> Tensor:
        out: Tensor = self.body(image_BCHW)
        return out
