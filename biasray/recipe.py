"""How networks are optimised: a part of the experiment, since it changes the result."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import nn


@dataclass(frozen=True, kw_only=True)
class Recipe:
    optimiser: Literal["adam", "adamw", "sgd"] = "adam"
    lr: float = 1e-3
    weight_decay: float = 0.0
    momentum: float = 0.9
    """Of SGD; Adam's betas are (0.9, 0.999)."""
    batch: int = 256
    """Global batch size, over all workers."""
    schedule: Literal["constant", "cosine", "step"] = "constant"
    """Of the learning rate over one stage: a stage always starts its schedule anew."""
    every: int = 10
    """Epochs between two drops of the step schedule."""
    drop: float = 0.1
    """Factor of each drop."""

    def __post_init__(self) -> None:
        if not self.lr > 0 or self.batch < 1:
            raise ValueError(f"lr must be above 0 and batch at least 1, not {self.lr} and {self.batch}.")

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        parameters = list(parameters)
        if self.optimiser == "sgd":
            return torch.optim.SGD(parameters, self.lr, momentum=self.momentum, weight_decay=self.weight_decay, fused=True)
        kind = torch.optim.Adam if self.optimiser == "adam" else torch.optim.AdamW
        return kind(parameters, self.lr, weight_decay=self.weight_decay, fused=True)

    def rate(self, epoch: float, epochs: float) -> float:
        """Learning rate after `epoch` of the stage's `epochs`."""
        if self.schedule == "cosine":
            return self.lr * 0.5 * (1 + math.cos(math.pi * min(epoch / epochs, 1.0)))
        if self.schedule == "step":
            return self.lr * self.drop ** (int(epoch) // self.every)
        return self.lr


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A paper's own settings: recipe, budget of epochs, and fields of the method's Config."""

    recipe: Recipe
    epochs: int
    settings: dict[str, float | int | str] = field(default_factory=dict)
