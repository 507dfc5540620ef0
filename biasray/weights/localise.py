"""Where in a network the bias sits that a detector reads (Sialelli et al., III-B).

Axes: M model, P weight, L layer, U unit, V unit of the layer before or input channel, K level, R repeat.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from biasray.networks.layout import Layout
from biasray.random import rng
from biasray.weights.chain import Layer, chain
from biasray.weights.neural import Neural

REPEATS = 10


def permutation_importance(
    detector: Any, weight_MP: Tensor, level_M: NDArray[np.int64], at: Layout, seed: int
) -> dict[str, NDArray[np.float64]]:
    """(R,) by layer: the accuracy that is lost where the layer's weights are exchanged among the models.

    Each weight is exchanged on its own, all of a layer at the same time, so that a layer counts as one feature.
    """
    X = weight_MP.numpy()
    whole = float(np.mean(detector.predict(X) == level_M))
    found = {}
    for layer in chain(at):
        lost = []
        for repeat in range(REPEATS):
            drawn, mixed = rng(seed, "exchange", layer.weight.name, repeat), X.copy()
            for entry in (layer.weight, *layer.vectors):
                mixed[:, entry.start : entry.stop] = drawn.permuted(mixed[:, entry.start : entry.stop], axis=0)
            lost.append(whole - float(np.mean(detector.predict(mixed) == level_M)))
        found[layer.weight.name] = np.array(lost)
    return found


def towards(detector: Neural, weight_MP: Tensor, level: int) -> Tensor:
    """(M, P) gradient by each model's weights of the detector's cross-entropy with this level.

    A step against it makes the detector read that level. `level` is one of those it has learnt, by its place among them.
    """
    moved_MP = weight_MP.clone().requires_grad_()
    logits_MK = detector.network_(moved_MP)
    loss = F.cross_entropy(logits_MK, torch.full((len(moved_MP),), level), reduction="sum")  # no model's depends on another
    (grad_MP,) = torch.autograd.grad(loss, moved_MP)
    return grad_MP


def by_layer(grad_MP: Tensor, spread_P: Tensor, at: Layout) -> Tensor:
    """(M, L) share of each layer in how far the detector is moved when each weight changes by its spread among models.

    To first order, changes independent: the root of the sum of (gradient x spread) squared. The gradient alone, which the paper
    looks at, says how the detector hangs on a weight, and not whether that weight tells one level from another. Nor does this
    quite: a layer of many weights that vary for no reason, and that the detector hangs on a little each, has a large share.
    """
    moves = []
    for layer in chain(at):
        each = [(grad_MP[:, e.start : e.stop] * spread_P[e.start : e.stop]) for e in (layer.weight, *layer.vectors)]
        moves.append(torch.cat(each, 1).norm(dim=1))
    move_ML = torch.stack(moves, 1)
    return move_ML / move_ML.sum(1, keepdim=True).clamp(min=torch.finfo(move_ML.dtype).tiny)


def most(lost: Mapping[str, NDArray[np.float64]], share_ML: Tensor) -> tuple[str, bool]:
    """The layer where most of the bias is found, and whether that is sure.

    It is the layer whose exchange loses the most accuracy of those where every repeat loses some; where there is none, and
    nothing is sure, the one that moves the detector most.
    """
    mean = {name: float(lost_R.mean()) for name, lost_R in lost.items() if lost_R.min() > 0}
    if mean:
        return max(mean, key=lambda name: mean[name]), True
    return list(lost)[int(share_ML.mean(0).argmax())], False


def by_unit(grad_MP: Tensor, layer: Layer) -> Tensor:
    """(M, U) mean absolute gradient of what each unit of a layer reads."""
    return _kernels(grad_MP, layer).abs().mean((2, 3))


def by_filter(grad_MP: Tensor, layer: Layer) -> tuple[Tensor, Tensor]:
    """(U, V) each: how far a gradient step moves each kernel, and how much models agree where a sign step (FGSM) moves it.

    The first is the mean absolute gradient. The second is, averaged over the kernel, the absolute mean of the gradient's sign
    over models: 1 where it moves a weight the same way in all; by chance sqrt(2 / (pi M)).
    """
    kernel_MUVR = _kernels(grad_MP, layer)
    return kernel_MUVR.abs().mean((0, 3)), kernel_MUVR.sign().mean(0).abs().mean(2)


def _kernels(grad_MP: Tensor, layer: Layer) -> Tensor:
    """(M, U, V, R), R the weights between two units."""
    grad = grad_MP[:, layer.weight.start : layer.weight.stop]
    return grad.reshape(len(grad), layer.units, layer.before, layer.weights_between)
