"""Optimisers of a matrix of weights in which every member has its own learning rate and weight decay.

Axes: M member, P weight, S step. The same mathematics as torch's, element by element, so that members do not mix.
"""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from biasray.recipe import Recipe

BETAS, EPS = (0.9, 0.999), 1e-8


@final
class Optimiser:
    """Adam, AdamW or SGD with momentum, changing `weight_MP` in place; recipes differ in rates alone.

    A step reads nothing from the host, so that a GPU can repeat it.
    """

    def __init__(self, weight_MP: Tensor, recipes: Sequence[Recipe]) -> None:
        self.weight_MP, self.recipes = weight_MP, recipes
        (self.kind,) = {recipe.optimiser for recipe in recipes}
        self.decay_M1 = self.column([recipe.weight_decay for recipe in recipes])
        self.momentum_M1 = self.column([recipe.momentum for recipe in recipes])
        self.first_MP = torch.zeros_like(weight_MP)
        self.second_MP = torch.zeros_like(weight_MP if self.kind != "sgd" else weight_MP[:0])

    def column(self, values: Sequence[float]) -> Tensor:
        return self.weight_MP.new_tensor(values)[:, None]

    def paces(self, epoch: int, epochs: int, steps: int) -> tuple[Tensor, Tensor]:
        """Of each step of an epoch, on the CPU: (S, M, 1) learning rates, (S, 2) how full Adam's two moments are after it."""
        rates = [[recipe.rate(epoch + at / steps, epochs) for recipe in self.recipes] for at in range(steps)]
        full = [[1 - beta ** (epoch * steps + at + 1) for beta in BETAS] for at in range(steps)]
        dtype = self.weight_MP.dtype
        return torch.tensor(rates, dtype=dtype)[:, :, None], torch.tensor(full, dtype=dtype)

    def step(self, grad_MP: Tensor, rate_M1: Tensor, full_2: Tensor) -> None:
        """One step at its pace."""
        if any(recipe.weight_decay for recipe in self.recipes):
            if self.kind == "adamw":
                self.weight_MP.mul_(1 - rate_M1 * self.decay_M1)
            else:
                grad_MP = grad_MP + self.decay_M1 * self.weight_MP
        if self.kind == "sgd":
            self.first_MP.copy_(self.momentum_M1 * self.first_MP + grad_MP)
            self.weight_MP.sub_(rate_M1 * self.first_MP)
            return
        self.first_MP.lerp_(grad_MP, 1 - BETAS[0])
        self.second_MP.mul_(BETAS[1]).addcmul_(grad_MP, grad_MP, value=1 - BETAS[1])
        scale_MP = (self.second_MP / full_2[1]).sqrt_().add_(EPS)
        self.weight_MP.sub_(self.first_MP / scale_MP * (rate_M1 / full_2[0]))
