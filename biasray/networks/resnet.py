"""torchvision's ResNet-18, from scratch, with batch norm over the global batch."""

from typing import final

from torch import Tensor, nn

from biasray.networks.network import Network, Shape
from biasray.networks.norm import WorldBatchNorm2d


@final
class ResNet18(Network):
    def __init__(self, shape: Shape, outputs: int) -> None:
        super().__init__()
        if shape[0] != 3:
            raise ValueError(f"resnet18 needs images of 3 channels, not {shape[0]}; choose another --network.")
        # Imported here: it takes seconds, which no other network should cost.
        from torchvision.models import resnet18

        self.body = resnet18(weights=None, norm_layer=WorldBatchNorm2d)
        self.body.fc = nn.Identity()
        self.head = nn.Linear(512, outputs)

    def features(self, image_BCHW: Tensor) -> Tensor:
        out: Tensor = self.body(image_BCHW)
        return out
