"""Weak and strong views of images, in batches on the device, each a function of the image and its key alone.

Sohn et al.: FixMatch, NeurIPS 2020; Cubuk et al.: RandAugment, 2020. Weak: a flip and a shift. Strong: the same, then 3 of 14
changes with a random strength each, then a grey square of up to half a side.
Departures: what turns, shears and shifts leaves open is filled with the nearest pixels; equalising is to the ranks of 256 bins.
Axes: B example, C H W channel and pixel, S example of one change.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from biasray.random import uniform

SHIFT = 1 / 8  # of a side, at most
CHANGES = 3
FLIP, CHOICE, STRENGTH, CUT = 1, 2, 3, 4  # purposes of random numbers


def weak(image_BCHW: Tensor, key_B: Tensor) -> Tensor:
    """A horizontal flip of every second image, and a shift by up to an eighth, in whole pixels, edges repeated."""
    h, w = image_BCHW.shape[2:]
    u_B3 = uniform(key_B, 3, FLIP).to(image_BCHW.device)
    row_BH, column_BW = (_shifted(u_B3[:, place], side) for place, side in ((1, h), (2, w)))
    column_BW = torch.where(u_B3[:, :1] < 0.5, w - 1 - column_BW, column_BW)
    here_B = torch.arange(len(image_BCHW), device=image_BCHW.device)
    return image_BCHW.permute(0, 2, 3, 1)[here_B[:, None, None], row_BH[:, :, None], column_BW[:, None, :]].permute(0, 3, 1, 2)


def _shifted(u_B: Tensor, side: int) -> Tensor:
    """(B, side) which pixel is where, along one axis."""
    most = int(SHIFT * side)
    shift_B = (u_B * (2 * most + 1)).long() - most
    return (torch.arange(side, device=u_B.device) + shift_B[:, None]).clamp(0, side - 1)


def strong(weak_BCHW: Tensor, key_B: Tensor) -> Tensor:
    """A weak view, changed three times and cut; pixels stay in [0, 1]."""
    with torch.autocast(weak_BCHW.device.type, enabled=False):  # places of pixels need more than 8 bits
        return _strong(weak_BCHW, key_B)


def _strong(out_BCHW: Tensor, key_B: Tensor) -> Tensor:
    choice_BR = (uniform(key_B, CHANGES, CHOICE) * len(_OPS)).long().to(out_BCHW.device)
    strength_BR = uniform(key_B, CHANGES, STRENGTH).to(out_BCHW)
    for r in range(CHANGES):
        changed = torch.empty_like(out_BCHW)
        for k, change in enumerate(_OPS):
            row_S = (choice_BR[:, r] == k).nonzero()[:, 0]
            if len(row_S):
                changed[row_S] = change(out_BCHW[row_S], strength_BR[row_S, r]).clamp(0, 1)
        out_BCHW = changed
    return _cut(out_BCHW, uniform(key_B, 3, CUT).to(out_BCHW))


def _moved(image_BCHW: Tensor, theta_B23: Tensor) -> Tensor:
    grid_BHW2 = F.affine_grid(theta_B23.to(image_BCHW), list(image_BCHW.shape), align_corners=False)
    out = F.grid_sample(image_BCHW, grid_BHW2, padding_mode="border", align_corners=False)
    return out.contiguous(memory_format=torch.channels_last)


def _cut(image_BCHW: Tensor, u_B3: Tensor) -> Tensor:
    """A grey square with a side of up to half of the image's, around any pixel."""
    h, w = image_BCHW.shape[2:]
    half_B11 = (u_B3[:, 0] * max(h, w) / 4)[:, None, None]
    row_BH1 = (torch.arange(h, device=u_B3.device) - (u_B3[:, 1] * h)[:, None])[:, :, None]
    column_B1W = (torch.arange(w, device=u_B3.device) - (u_B3[:, 2] * w)[:, None])[:, None, :]
    inside_BHW = (row_BH1.abs() < half_B11) & (column_B1W.abs() < half_B11)
    return torch.where(inside_BHW[:, None], 0.5, image_BCHW)


def _affine(
    a: Tensor | float,
    b: Tensor | float,
    x: Tensor | float,
    c: Tensor | float,
    d: Tensor | float,
    y: Tensor | float,
    like_S: Tensor,
) -> Tensor:
    return torch.stack([torch.zeros_like(like_S) + part for part in (a, b, x, c, d, y)], 1).view(-1, 2, 3)


def _signed(strength_S: Tensor) -> Tensor:
    """From [0, 1] to [-1, 1]: half of the changes go the other way."""
    return 2 * strength_S - 1


def _grey(image_SCHW: Tensor) -> Tensor:
    if image_SCHW.shape[1] != 3:
        return image_SCHW.mean(1, keepdim=True)
    return (image_SCHW * image_SCHW.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)


def _blend(from_SCHW: Tensor, image_SCHW: Tensor, strength_S: Tensor) -> Tensor:
    """From 0.05 to 0.95 of the image, the rest of another, as PIL's enhancers do."""
    return torch.lerp(from_SCHW.expand_as(image_SCHW), image_SCHW, (0.05 + 0.9 * strength_S)[:, None, None, None])


def _rotate(image: Tensor, strength_S: Tensor) -> Tensor:
    angle_S = _signed(strength_S) * torch.pi / 6
    return _moved(image, _affine(angle_S.cos(), -angle_S.sin(), 0, angle_S.sin(), angle_S.cos(), 0, strength_S))


def _autocontrast(image: Tensor, strength_S: Tensor) -> Tensor:
    low, high = image.amin((2, 3), keepdim=True), image.amax((2, 3), keepdim=True)
    return torch.where(high > low, (image - low) / (high - low).clamp_min(1e-6), image)


def _equalised(image: Tensor, strength_S: Tensor) -> Tensor:
    """Each channel's pixels by their rank among 256 levels."""
    level = (image * 255).round().long().flatten(2)
    count = torch.zeros(*level.shape[:2], 256, device=image.device).scatter_add_(
        2, level, torch.ones_like(level, dtype=torch.float32)
    )
    below = count.cumsum(2) / level.shape[2]
    return below.gather(2, level).view_as(image).to(image.dtype)


def _sharpened(image: Tensor, strength_S: Tensor) -> Tensor:
    kernel = image.new_tensor([[1, 1, 1], [1, 5, 1], [1, 1, 1]]) / 13
    c = image.shape[1]
    smooth = F.conv2d(F.pad(image, (1, 1, 1, 1), mode="replicate"), kernel.expand(c, 1, 3, 3).contiguous(), groups=c)
    return _blend(smooth, image, strength_S)


def _posterised(image: Tensor, strength_S: Tensor) -> Tensor:
    levels = 2.0 ** (4 + (strength_S * 5).floor().clamp(max=4))[:, None, None, None]  # 4 to 8 bits
    return (image * 255 / (256 / levels)).floor() * (256 / levels) / 255


_OPS: tuple[Callable[[Tensor, Tensor], Tensor], ...] = (
    lambda image, s: image,
    _autocontrast,
    _equalised,
    _rotate,
    _sharpened,
    _posterised,
    lambda image, s: _blend(torch.zeros_like(image), image, s),  # darker
    lambda image, s: _blend(_grey(image), image, s),  # less coloured
    lambda image, s: _blend(_grey(image).mean((2, 3), keepdim=True), image, s),  # less contrast
    lambda image, s: torch.where(image < s[:, None, None, None], image, 1 - image),  # solarised
    lambda image, s: _moved(image, _affine(1, 0.3 * _signed(s), 0, 0, 1, 0, s)),  # sheared
    lambda image, s: _moved(image, _affine(1, 0, 0, 0.3 * _signed(s), 1, 0, s)),
    lambda image, s: _moved(image, _affine(1, 0, 0.6 * _signed(s), 0, 1, 0, s)),  # shifted, by up to 0.3 of a side
    lambda image, s: _moved(image, _affine(1, 0, 0, 0, 1, 0.6 * _signed(s), s)),
)
