"""A smooth loss with a penalty on the columns of a matrix. Axes: E row, N column (an image that a model is asked about)."""

from collections.abc import Callable

import torch
from torch import Tensor

Loss = Callable[[Tensor], tuple[float, Tensor]]  # of w (E, N): the value and its gradient

MEMORY = 5  # objectives, of which the next must be below the largest
ENOUGH = 1e-4  # of the decrease that a quadratic of this curvature would give
STEPS = (1e-8, 1e8)  # the smallest and the largest


def shrunk(w_EN: Tensor, by: float) -> Tensor:
    """Each column w_k as w_k max(0, 1 - by / ||w_k||): the proximal map of by * sum_k ||w_k||."""
    norm_N = w_EN.norm(dim=0)
    return w_EN * (1 - by / norm_N.clamp(min=torch.finfo(w_EN.dtype).tiny)).clamp(min=0)


def penalty(w_EN: Tensor) -> float:
    """The L2,1 norm, sum_k ||w_k||."""
    return float(w_EN.norm(dim=0).sum())


def descend(loss: Loss, w_EN: Tensor, weight: float, steps: int, tolerance: float = 1e-4) -> Tensor:
    """The w to which loss(w) + weight * penalty(w) falls from the one given, in so many steps at most.

    Proximal gradient with the step lengths of Barzilai and Borwein, each accepted where it goes below the largest of the last
    objectives (Wright, Nowak and Figueiredo 2009, SpaRSA). It ends where w changes by less than `tolerance` of its length.
    """
    value, grad_EN = loss(w_EN)
    objectives, step = [value + weight * penalty(w_EN)], 1 / max(float(grad_EN.norm()), STEPS[0])
    for _ in range(steps):
        while True:
            new_EN = shrunk(w_EN - step * grad_EN, step * weight)
            moved_EN = new_EN - w_EN
            new_value, new_grad_EN = loss(new_EN)
            objective, square = new_value + weight * penalty(new_EN), float(moved_EN.square().sum())
            if objective <= max(objectives[-MEMORY:]) - ENOUGH / 2 / step * square or step <= STEPS[0]:
                break
            step /= 2
        bend = float((moved_EN * (new_grad_EN - grad_EN)).sum())
        w_EN, grad_EN = new_EN, new_grad_EN
        objectives.append(objective)
        if square**0.5 <= tolerance * float(w_EN.norm()):
            break
        step = min(max(square / bend, STEPS[0]), STEPS[1]) if bend > 0 else min(2 * step, STEPS[1])
    return w_EN
