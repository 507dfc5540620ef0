"""torchvision's networks by name, from scratch or with its ImageNet weights, and batch norm over the global batch."""

import pickle
from functools import cache, partial
from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn

from biasray.networks.network import Network, Shape
from biasray.networks.norm import WorldBatchNorm2d


class _Kind(NamedTuple):
    builder: str  # in torchvision.models
    last: str  # its layer of logits
    least: int = 8  # pixels a side
    batch_norm: bool = True


PUBLISHED = {
    "resnet18": _Kind("resnet18", "fc"),
    "resnet34": _Kind("resnet34", "fc"),
    "resnet50": _Kind("resnet50", "fc"),
    "efficientnet-b1": _Kind("efficientnet_b1", "classifier.1"),
    "convnext-t": _Kind("convnext_tiny", "classifier.2", 32, batch_norm=False),
    "swin-t": _Kind("swin_t", "head", 32, batch_norm=False),
}


@final
class Published(Network):
    """One of torchvision's networks, its layer of logits replaced by `head`. The average over positions fits any size:
    at 64 pixels the last map has 2 x 2.

    EfficientNet has dropout, and it, ConvNeXt and Swin drop whole branches at random (stochastic depth): two workers
    do not train them exactly as one does. With ImageNet weights the network takes images on [0, 1] all the same: it
    normalises them itself.
    """

    def __init__(self, name: str, shape: Shape, outputs: int, pretrained: bool = False) -> None:
        super().__init__()
        kind, (c, h, w) = PUBLISHED[name], shape
        if c != 3 and pretrained:
            raise ValueError(f"The ImageNet weights of {name} need images of 3 channels, not {c}; give --network {name}.")
        if min(h, w) < kind.least:
            raise ValueError(
                f"{name} needs images of at least {kind.least} x {kind.least} pixels, not {h} x {w}; import larger ones."
            )
        # Imported here: it takes seconds, which no other network should cost.
        from torchvision import models

        norm = {"norm_layer": WorldBatchNorm2d} if kind.batch_norm else {}
        self.body = models.get_model(kind.builder, weights=None, **norm)
        if c != 3:
            stem, first = next((at, m) for at, m in self.body.named_modules() if isinstance(m, nn.Conv2d))
            conv = partial(nn.Conv2d, c, first.out_channels, bias=first.bias is not None)
            self.body.set_submodule(stem, conv(first.kernel_size, first.stride, first.padding))  # type: ignore[arg-type]
        self.scaled: nn.Module = nn.Identity()
        if pretrained:
            self.body.load_state_dict(imagenet(name))
            self.scaled = _Normalised()
        self.head = nn.Linear(self.body.get_submodule(kind.last).in_features, outputs)
        self.body.set_submodule(kind.last, nn.Identity())

    def features(self, image_BCHW: Tensor) -> Tensor:
        out: Tensor = self.body(self.scaled(image_BCHW))
        return out


@final
class _Normalised(nn.Module):
    """Red, green and blue with ImageNet's mean 0 and standard deviation 1, as all of torchvision's weights expect."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean_C11", torch.tensor([0.485, 0.456, 0.406])[:, None, None], persistent=False)
        self.register_buffer("std_C11", torch.tensor([0.229, 0.224, 0.225])[:, None, None], persistent=False)

    def forward(self, image_BCHW: Tensor) -> Tensor:
        return (image_BCHW - self.get_buffer("mean_C11")) / self.get_buffer("std_C11")


@cache
def imagenet(name: str) -> dict[str, Any]:
    """torchvision's first ImageNet weights of a network (IMAGENET1K_V1), from torch's cache or downloaded into it.

    Raises ValueError where they cannot be had.
    """
    from torchvision import models

    weights = models.get_model_weights(PUBLISHED[name].builder)["IMAGENET1K_V1"]
    try:
        found: dict[str, Any] = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        said = " ".join(str(error).split())[:120]
        raise ValueError(
            f"The ImageNet weights of {name} cannot be had ({said}): connect to the Internet, or put {weights.url} "
            f"into {torch.hub.get_dir()}/checkpoints, or give --network {name} to train from scratch."
        ) from error
    return found
