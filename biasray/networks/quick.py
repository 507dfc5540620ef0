"""The same function as a network, sooner: for many tiny images, as patches are, that are only looked at.

Measured on a CPU with bfloat16: where a map has one pixel, a padded convolution costs four times its middle tap, the only one
that meets anything but padding; group norm of bfloat16 channels last costs four times that of float32.
Axes: B example, D channel.
"""

import copy
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from biasray.networks.network import Shape


@final
class _Middle(nn.Module):
    """A convolution of maps of one pixel."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        assert isinstance(convolution.padding, tuple)
        row, column = (int(n) for n in convolution.padding)
        self.weight, self.bias = nn.Parameter(convolution.weight[:, :, row, column].clone()), convolution.bias

    def forward(self, x_BD11: Tensor) -> Tensor:
        return F.linear(x_BD11.flatten(1), self.weight, self.bias)[:, :, None, None]


@final
class _Float32(nn.Module):
    def __init__(self, norm: nn.GroupNorm) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x_BDHW: Tensor) -> Tensor:
        out: Tensor = self.norm(x_BDHW.float())
        return out.to(x_BDHW.dtype)


@torch.no_grad()
def quick(network: nn.Module, shape: Shape, half: bool) -> nn.Module:
    """A copy for images of this shape, not to be trained; `half`: to be run under autocast to bfloat16."""
    made = copy.deepcopy(network).eval()
    middles = _of_one_pixel(made, shape)
    for name, module in [*made.named_modules()]:
        if name in middles:
            assert isinstance(module, nn.Conv2d)
            module = _Middle(module)
            made.set_submodule(name, module)
        elif half and isinstance(module, nn.GroupNorm):
            made.set_submodule(name, _Float32(module))
        if half and isinstance(module, (nn.Conv2d, nn.Linear, _Middle)):
            module.to(torch.bfloat16)  # once, not at each call
    return made


def _of_one_pixel(network: nn.Module, shape: Shape) -> set[str]:
    """The convolutions that see one pixel and give one."""
    found, hooks = set[str](), []
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d) and module.groups == 1:

            def see(_: nn.Module, given: tuple[Tensor, ...], out: Tensor, name: str = name) -> None:
                if given[0].shape[2:] == out.shape[2:] == (1, 1):
                    found.add(name)

            hooks.append(module.register_forward_hook(see))
    weight = next(network.parameters())
    network(torch.zeros(1, *shape, device=weight.device, dtype=weight.dtype))
    for hook in hooks:
        hook.remove()
    return found
