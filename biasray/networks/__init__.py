"""Networks by name. Each gives features and logits: `features(image_BCHW)` -> (B, D), `head` -> (B, outputs)."""

from collections.abc import Callable, Mapping

from biasray.networks.cnn import SmallCNN
from biasray.networks.digit_cnn import DigitCNN
from biasray.networks.mlp import MLP
from biasray.networks.network import Network, Shape
from biasray.networks.resnet import ResNet18

NETWORKS: Mapping[str, Callable[[Shape, int], Network]] = {
    "mlp": MLP,
    "digit-cnn": DigitCNN,
    "cnn": lambda shape, outputs: SmallCNN(shape, outputs, norm="group"),
    "cnn-bn": lambda shape, outputs: SmallCNN(shape, outputs, norm="batch"),
    "resnet18": ResNet18,
}


def build(name: str, shape: Shape, outputs: int) -> Network:
    """The network of this name for images of shape (C, H, W)."""
    if name not in NETWORKS:
        raise ValueError(f"Unknown network '{name}'; choose one of {', '.join(NETWORKS)}.")
    return NETWORKS[name](shape, outputs)


__all__ = ["NETWORKS", "Network", "Shape", "build"]
