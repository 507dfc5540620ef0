"""Many networks of one architecture as one function of the matrix of their weights.

Axes: M member, P weight, B example, F feature, H W C, K output. Randomness is keyed by member and step, so a member does
not depend on its company.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor, nn
from torch.func import functional_call

from biasray import networks
from biasray.networks import Network, Shape, layout
from biasray.networks.mlp import Divided
from biasray.networks.norm import WorldBatchNorm2d
from biasray.random import uniform
from biasray.zoo.packing import PACKINGS, Packed, Packing

SIMPLE = (Divided, nn.Flatten, nn.ReLU, nn.MaxPool2d, nn.AdaptiveAvgPool2d)
KNOWN: tuple[type[nn.Module], ...] = (nn.Conv2d, nn.Linear, nn.Dropout, nn.GroupNorm, WorldBatchNorm2d, *SIMPLE)
Buffers = Mapping[str, Tensor]  # (M, *shape) by name


class Stacked(ABC):
    """M networks. Buffers, by name, are kept but not trained, and change in training."""

    layout: layout.Layout
    graphable: bool
    """Whether a CUDA graph can hold it: it draws nothing from a state."""

    @abstractmethod
    def __call__(self, weight_MP: Tensor, buffers: Buffers, image_MBHWC: Tensor, key_M: Tensor | None = None) -> Tensor:
        """(M, B, K) outputs. `key_M` seeds each member's dropout in training; in evaluation it is None."""


def leaves(network: nn.Module) -> dict[str, nn.Module]:
    """Modules without children, by name, in order."""
    return {name: module for name, module in network.named_modules() if not list(module.children())}


def fusable(network: Network) -> bool:
    """Whether it is a plain sequence of layers that are known here, ending in its head."""
    return isinstance(getattr(network, "body", None), nn.Sequential) and all(
        isinstance(module, KNOWN) for module in leaves(network).values()
    )


def sketch(name: str, shape: Shape, outputs: int) -> Network:
    """The network without memory for its weights. Raises ValueError where it cannot be built so."""
    with torch.device("meta"):
        return networks.build(name, shape, outputs)


def stack(name: str, shape: Shape, outputs: int, members: int, packed: Packed) -> Stacked:
    """So many networks of this name as one; where they cannot be fused, `members` must be 1."""
    if fusable(sketch(name, shape, outputs)):
        return Fused(sketch(name, shape, outputs), PACKINGS[packed](members))
    assert members == 1
    with torch.random.fork_rng(devices=[]):
        return Single(networks.build(name, shape, outputs))


@final
class Fused(Stacked):
    graphable = True

    def __init__(self, network: Network, packing: Packing) -> None:
        self.layout, self.packing, self.layers = layout.of(network), packing, leaves(network)

    def __call__(self, weight_MP: Tensor, buffers: Buffers, image_MBHWC: Tensor, key_M: Tensor | None = None) -> Tensor:
        own = {**self.layout.take(weight_MP), **buffers}
        x = self.packing.enter(image_MBHWC)
        for number, (name, layer) in enumerate(self.layers.items()):
            weight, bias, train = f"{name}.weight", f"{name}.bias", key_M is not None
            match layer:
                case nn.Conv2d():
                    x = self.packing.conv(x, own[weight], own.get(bias), layer.stride[0], int(layer.padding[0]))
                case nn.GroupNorm():
                    x = self.packing.group_norm(x, layer.num_groups, own[weight], own[bias], layer.eps)
                case WorldBatchNorm2d():
                    running = own[f"{name}.running_mean"], own[f"{name}.running_var"]
                    momentum = layer.momentum if train else None
                    x = self.packing.batch_norm(x, *running, own[weight], own[bias], momentum, layer.eps)
                case nn.Flatten():
                    x = self.packing.leave(x)
                case nn.Linear():  # from here on (M, B, F)
                    x = torch.baddbmm(own[bias][:, None], x, own[weight].transpose(1, 2))
                case nn.Dropout():
                    x = x if key_M is None else _dropout(x, layer.p, key_M, number)
                case _:
                    x = layer(x)
        return x


def _dropout(x_MBF: Tensor, p: float, key_M: Tensor, purpose: int) -> Tensor:
    kept_MBF = (uniform(key_M, x_MBF[0].numel(), purpose) >= p).view(x_MBF.shape)
    return x_MBF * kept_MBF / (1 - p)


@final
class Single(Stacked):
    """One network of any kind, under the same interface."""

    graphable = False

    def __init__(self, network: Network) -> None:
        self.layout, self.network = layout.of(network), network

    def __call__(self, weight_MP: Tensor, buffers: Buffers, image_MBHWC: Tensor, key_M: Tensor | None = None) -> Tensor:
        own = {name: tensor[0] for name, tensor in (*self.layout.take(weight_MP).items(), *buffers.items())}
        self.network.to(image_MBHWC.device).train(key_M is not None)  # constants that are no weights go along
        if key_M is not None:
            seed = int(key_M[0])
            if image_MBHWC.is_cuda:
                torch.cuda.default_generators[image_MBHWC.device.index or 0].manual_seed(seed)
            else:
                torch.default_generator.manual_seed(seed)
        output_BK: Tensor = functional_call(self.network, own, (image_MBHWC[0].permute(0, 3, 1, 2),))
        return output_BK[None]
