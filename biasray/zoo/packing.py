"""How the activations of many members lie in one tensor, and the layers that depend on it.

Axes: M member, B example, C H W, O output channel, K kernel, G group of channels, F feature. No operation mixes members.
"""

from abc import ABC, abstractmethod
from typing import Literal, final

import torch
import torch.nn.functional as F
from torch import Tensor

Packed = Literal["single", "grouped", "batched", "looped"]


class Packing(ABC):
    def __init__(self, members: int) -> None:
        self.members = members

    @abstractmethod
    def enter(self, image_MBHWC: Tensor) -> Tensor:
        """Images in this packing."""

    @abstractmethod
    def leave(self, x: Tensor) -> Tensor:
        """(M, B, F): the values of each example in the order C, H, W."""

    @abstractmethod
    def conv(self, x: Tensor, weight_MOCKK: Tensor, bias_MO: Tensor | None, stride: int, padding: int) -> Tensor: ...

    @abstractmethod
    def group_norm(self, x: Tensor, groups: int, weight_MC: Tensor, bias_MC: Tensor, eps: float) -> Tensor: ...

    @abstractmethod
    def batch_norm(
        self, x: Tensor, mean_MC: Tensor, var_MC: Tensor, weight_MC: Tensor, bias_MC: Tensor, momentum: float | None, eps: float
    ) -> Tensor:
        """With the statistics of the batch, which update the running ones; with those where `momentum` is None."""


@final
class Grouped(Packing):
    """(B, M x C, H, W), channels last: a convolution is one grouped convolution; of one member, an ordinary one."""

    def enter(self, image_MBHWC: Tensor) -> Tensor:
        m, b, h, w, c = image_MBHWC.shape
        return image_MBHWC.permute(1, 2, 3, 0, 4).reshape(b, h, w, m * c).permute(0, 3, 1, 2)

    def leave(self, x: Tensor) -> Tensor:
        return x.reshape(len(x), self.members, -1).transpose(0, 1)

    def conv(self, x: Tensor, weight_MOCKK: Tensor, bias_MO: Tensor | None, stride: int, padding: int) -> Tensor:
        bias = None if bias_MO is None else bias_MO.flatten()
        return F.conv2d(x, weight_MOCKK.flatten(0, 1), bias, stride, padding, groups=self.members)

    def group_norm(self, x: Tensor, groups: int, weight_MC: Tensor, bias_MC: Tensor, eps: float) -> Tensor:
        return F.group_norm(x, self.members * groups, weight_MC.flatten(), bias_MC.flatten(), eps)

    def batch_norm(
        self, x: Tensor, mean_MC: Tensor, var_MC: Tensor, weight_MC: Tensor, bias_MC: Tensor, momentum: float | None, eps: float
    ) -> Tensor:
        return _batch_norm(x, mean_MC, var_MC, weight_MC, bias_MC, momentum, eps)


class Apart(Packing):
    """(M x B, C, H, W), channels last."""

    def enter(self, image_MBHWC: Tensor) -> Tensor:
        return image_MBHWC.flatten(0, 1).permute(0, 3, 1, 2)

    def leave(self, x: Tensor) -> Tensor:
        return x.reshape(self.members, len(x) // self.members, -1)

    def group_norm(self, x: Tensor, groups: int, weight_MC: Tensor, bias_MC: Tensor, eps: float) -> Tensor:
        normed_MBCHW = F.group_norm(x, groups, eps=eps).unflatten(0, (self.members, -1))
        return (normed_MBCHW * weight_MC[:, None, :, None, None] + bias_MC[:, None, :, None, None]).flatten(0, 1)

    def batch_norm(
        self, x: Tensor, mean_MC: Tensor, var_MC: Tensor, weight_MC: Tensor, bias_MC: Tensor, momentum: float | None, eps: float
    ) -> Tensor:
        apart = x.unflatten(0, (self.members, -1)).transpose(0, 1).flatten(1, 2)
        normed = _batch_norm(apart, mean_MC, var_MC, weight_MC, bias_MC, momentum, eps)
        return normed.unflatten(1, (self.members, -1)).transpose(0, 1).flatten(0, 1)


@final
class Batched(Apart):
    """A convolution is a batch of matrix products over patches."""

    def conv(self, x: Tensor, weight_MOCKK: Tensor, bias_MO: Tensor | None, stride: int, padding: int) -> Tensor:
        k, channels = weight_MOCKK.shape[-1], weight_MOCKK.shape[1]
        x = x if x.requires_grad else _cast(x)  # images; the gradient of other patches is added up in their own precision
        patch_NHWCKK = F.pad(x, [padding] * 4).permute(0, 2, 3, 1).unfold(1, k, stride).unfold(2, k, stride)
        n, h, w = patch_NHWCKK.shape[:3]
        patch_MLF = _aligned(patch_NHWCKK.permute(0, 1, 2, 4, 5, 3)).view(self.members, n // self.members * h * w, -1)
        weight_MFO = weight_MOCKK.permute(0, 3, 4, 2, 1).reshape(self.members, -1, channels)
        weight_MFO = F.pad(weight_MFO, (0, 0, 0, patch_MLF.shape[2] - weight_MFO.shape[1]))
        out_MLO = patch_MLF @ weight_MFO if bias_MO is None else torch.baddbmm(bias_MO[:, None], patch_MLF, weight_MFO)
        return out_MLO.view(n, h, w, channels).permute(0, 3, 1, 2)


@final
class Looped(Apart):
    """A convolution is one of each member after another: what is not a convolution is done for all at once."""

    def conv(self, x: Tensor, weight_MOCKK: Tensor, bias_MO: Tensor | None, stride: int, padding: int) -> Tensor:
        # Left to autocast and to the convolution, each member's weights would be cast and laid out on their own.
        kernel = _cast(weight_MOCKK).flatten(0, 1).contiguous(memory_format=torch.channels_last)
        each = zip(_cast(x).chunk(self.members), kernel.view_as(weight_MOCKK), strict=True)
        out = torch.cat([F.conv2d(x_BCHW, weight_OCKK, None, stride, padding) for x_BCHW, weight_OCKK in each])
        if bias_MO is None:
            return out
        return (out.unflatten(0, (self.members, -1)) + bias_MO.to(out.dtype)[:, None, :, None, None]).flatten(0, 1)


PACKINGS: dict[Packed, type[Packing]] = {"single": Grouped, "grouped": Grouped, "batched": Batched, "looped": Looped}


def _cast(x: Tensor) -> Tensor:
    """In the precision that autocast is to compute in, where it is on."""
    kind = x.device.type
    return x.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else x


def _aligned(patch_NHWKKC: Tensor) -> Tensor:
    """(N x H x W, F): on a GPU with zeros at the end, since its fast matrix products read eight numbers at a time."""
    features = patch_NHWKKC[0, 0, 0].numel()
    if not patch_NHWKKC.is_cuda or features % 8 == 0:
        return patch_NHWKKC.reshape(-1, features)
    out_NHWF = patch_NHWKKC.new_zeros(*patch_NHWKKC.shape[:3], features + -features % 8)
    out_NHWF[..., :features].unflatten(3, patch_NHWKKC.shape[3:]).copy_(patch_NHWKKC)
    return out_NHWF.flatten(0, 2)


def _batch_norm(
    x: Tensor, mean_MC: Tensor, var_MC: Tensor, weight_MC: Tensor, bias_MC: Tensor, momentum: float | None, eps: float
) -> Tensor:
    """Of (B, M x C, H, W)."""
    running = mean_MC.view(-1), var_MC.view(-1)  # views: what is written to them stays
    weight, bias = weight_MC.flatten(), bias_MC.flatten()
    return F.batch_norm(x, *running, weight, bias, momentum is not None, momentum or 0.0, eps)
