"""What every network offers to methods. Axes: B example, C H W channel and pixel, D feature."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

Shape = tuple[int, int, int]  # C, H, W


class Network(nn.Module, ABC):
    head: nn.Linear

    @abstractmethod
    def features(self, image_BCHW: Tensor) -> Tensor:
        """(B, D): what the head reads."""

    def forward(self, image_BCHW: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(image_BCHW))
        return logits
