"""Networks by name. Each gives features and logits: `features(image_BCHW)` -> (B, D), `head` -> (B, outputs).

A name of torchvision's with `:imagenet` behind it, such as resnet50:imagenet, starts from ImageNet weights.
"""

from collections.abc import Callable, Mapping
from functools import partial

from safetensors.torch import save
from torch import nn

from biasray.discovery import named
from biasray.networks.cnn import SmallCNN
from biasray.networks.ifbid import DigitCNN, GenderCNN
from biasray.networks.mlp import MLP
from biasray.networks.network import Network, Shape
from biasray.networks.published import PUBLISHED, Published, imagenet

NETWORKS: Mapping[str, Callable[[Shape, int], Network]] = {
    "mlp": MLP,
    "mlp-dim": partial(MLP, dim=True),
    "digit-cnn": DigitCNN,
    "digit-cnn-wide": partial(DigitCNN, wide=True),
    "gender-cnn": GenderCNN,
    "cnn": lambda shape, outputs: SmallCNN(shape, outputs, norm="group"),
    "cnn-bn": lambda shape, outputs: SmallCNN(shape, outputs, norm="batch"),
    **{name: partial(Published, name) for name in PUBLISHED},
}


def check(name: str) -> None:
    """Raises ValueError for a name that is unknown or whose weights cannot be had; fetches the weights."""
    network, colon, weights = name.partition(":")
    named(NETWORKS, network, "network")
    if not colon:
        return
    if weights != "imagenet" or network not in PUBLISHED:
        raise ValueError(f"There are no weights '{name}'; there is NAME:imagenet for {', '.join(PUBLISHED)}.")
    imagenet(network)


def build(name: str, shape: Shape, outputs: int) -> Network:
    """The network of this name for images of shape (C, H, W)."""
    check(name)
    network, pretrained, _ = name.partition(":")
    return Published(network, shape, outputs, pretrained=True) if pretrained else NETWORKS[network](shape, outputs)


def saved(module: nn.Module) -> bytes:
    """All that a network, or a method with its networks, has learnt. Safetensors refuse tensors that are channels last."""
    return save({name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()})


__all__ = ["NETWORKS", "Network", "Shape", "build", "check", "saved"]
