"""Group distributionally robust optimisation: the worst group's loss, with known groups.

Sagawa, Koh, Hashimoto, Liang: Distributionally Robust Neural Networks for Group Shifts, ICLR 2020.

    q_g <- q_g exp(eta (L_g + C / sqrt(n_g))), normalised       L = sum_g q_g L_g

L_g is the mean loss of group g = (target, bias) in the global batch, n_g its size in the training table.
Batches are group-balanced, drawn with replacement. A group that a batch does not hold has no loss, so its
q is multiplied by 1 before normalising, as in the authors' code.

Departure: only the C / sqrt(n_g) of groups present in the batch is added, for the same reason.
Axes: B example, N row of the training table, G group, C H W channel and pixel.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, final

import torch
from torch import Tensor, nn

from biasray.contract import Draw, Labels, Method, Objective, Stage, Stream
from biasray.losses import ce, group_mean
from biasray.recipe import Preset, Recipe
from biasray.sampling import balanced
from biasray.space import Range


@dataclass(frozen=True, kw_only=True)
class Config:
    eta: Annotated[float, Range(1e-3, 1e-1, log=True)] = 0.01
    """Step size of the group weights q."""
    adjustment: Annotated[float, Range(0, 5)] = 0.0
    """C of the generalisation adjustment C / sqrt(n_g)."""


@final
class GroupDRO(Method):
    needs = frozenset({"bias"})
    own = {
        "": Preset(recipe=Recipe(optimiser="sgd", lr=1e-3, weight_decay=1e-4, batch=128), epochs=300),
        "celeba": Preset(recipe=Recipe(optimiser="sgd", lr=1e-5, weight_decay=0.1, batch=128), epochs=50),
        "waterbirds": Preset(recipe=Recipe(optimiser="sgd", lr=1e-5, weight_decay=1.0, batch=128), epochs=300),
    }

    def __init__(self, make: Callable[[int], nn.Module], labels: Labels, config: Config, epochs: int) -> None:
        super().__init__(make, labels, config, epochs)
        assert labels.bias_N is not None
        self.network, self.eta, self.epochs = make(labels.classes), config.eta, epochs
        self.groups = labels.classes * labels.biases
        group_N = labels.target_N * labels.biases + labels.bias_N
        count_G = torch.bincount(group_N, minlength=self.groups)
        self.register_buffer("group_N", group_N, persistent=False)
        self.register_buffer("extra_G", config.adjustment / count_G.clamp(min=1).sqrt(), persistent=False)
        # A group without a training example can never gain a loss, so it must not hold mass either.
        self.register_buffer("q_G", (count_G > 0) / (count_G > 0).sum())

    def stages(self) -> tuple[Stage, ...]:
        stream = Stream(rows=lambda generator: balanced(self.get_buffer("group_N"), generator))
        return (Stage("fit", self.step, self.epochs, streams={"train": stream}),)

    def predict(self, image_BCHW: Tensor) -> Tensor:
        logits: Tensor = self.network(image_BCHW)
        return logits

    def step(self, draw: Draw) -> Iterator[Objective]:
        batch = draw()
        assert batch.group is not None
        sums = group_mean(ce(self.network(batch.image), batch.target), batch.group, self.groups)
        total_G, count_G = self.world.sum(torch.stack(sums))
        loss_G, q_G = total_G / count_G.clamp(min=1), self.get_buffer("q_G")
        with torch.no_grad():
            q_G *= (self.eta * (loss_G + self.get_buffer("extra_G") * (count_G > 0))).exp()
            q_G /= q_G.sum()
        yield Objective(("network",), (q_G.clone() * loss_G).sum())
