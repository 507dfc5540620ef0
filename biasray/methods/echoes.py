"""Echoes: a biased network listens ever less to what it gets wrong; the target network listens to that instead.

Hu, Tu, Sang: Echoes: Unsupervised Debiasing via Pseudo-bias Labeling in an Echo Chamber, MM 2023.

    biased: L_B = mean_B w_B CE(f_B(x), y),      w_B = 1 at first
    target: L_T = mean_B w_T CE(f_T(x), y),      w_T = 1 / (w_B + 1e-8), divided by its sum over the class, then by its maximum
    L = L_B + 1000 L_T

After each epoch, in every class of which the biased network gets less than T_error wrong, w_B of what it gets wrong is
multiplied by alpha; w_B is then divided by its maximum. As in the authors' code the target network learns from the
second epoch on, when there are weights.

Departures: the biased network trains in training mode in all epochs (in the authors' code from the second on it does not),
and class sums are divided out one by one (there, by the product of all of them, which overflows).
Axes: B example, N row of the training table, K class, C H W channel and pixel.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, final

import torch
from torch import Tensor, nn

from biasray.contract import Draw, Labels, Method, Objective, Scan, Stage
from biasray.losses import ce, group_mean
from biasray.recipe import Preset, Recipe
from biasray.space import Range

MORE = 1000.0  # of the target's loss


@dataclass(frozen=True, kw_only=True)
class Config:
    t_error: Annotated[float, Range(0.1, 0.9)] = 0.5
    """T_error: classes of which more is wrong are left alone."""
    alpha: Annotated[float, Range(0.1, 0.9)] = 0.5
    """What the weight of a wrong example is multiplied by."""


@final
class Echoes(Method):
    fewest_epochs = 2  # the target network learns from the second on
    own = {
        "": Preset(
            recipe=Recipe(lr=3e-4, weight_decay=1e-4, batch=256, schedule="step", every=10, drop=0.65),
            epochs=100,
        )
    }

    def __init__(self, make: Callable[[int], nn.Module], labels: Labels, config: Config, epochs: int) -> None:
        super().__init__(make, labels, config, epochs)
        self.biased, self.target = make(labels.classes), make(labels.classes)
        self.config, self.epochs, self.classes = config, epochs, labels.classes
        self.register_buffer("target_N", labels.target_N, persistent=False)
        self.register_buffer("wrong_N", torch.zeros(len(labels.target_N), dtype=torch.bool))
        self.register_buffer("biased_weight_N", torch.ones(len(labels.target_N)))
        self.register_buffer("target_weight_N", torch.zeros(len(labels.target_N)))

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("fit", self.step, self.epochs, exposes=("biased",), after_epoch=self.reweight),)

    def predict(self, image_BCHW: Tensor) -> Tensor:
        logits: Tensor = self.target(image_BCHW)
        return logits

    def step(self, draw: Draw) -> Iterator[Objective]:
        batch = draw()
        loss_B = ce(self.biased(batch.image), batch.target) * self.get_buffer("biased_weight_N")[batch.index]
        yield Objective(("biased",), self.world.mean(loss_B))
        weight_N = self.get_buffer("target_weight_N")
        if weight_N.any():
            loss_B = ce(self.target(batch.image), batch.target) * weight_N[batch.index]
            yield Objective(("target",), MORE * self.world.mean(loss_B))

    def reweight(self, scan: Scan) -> None:
        wrong_N, target_N = self.get_buffer("wrong_N"), self.get_buffer("target_N")
        biased_N = self.get_buffer("biased_weight_N")
        for batch in scan():
            self.world.put(wrong_N, batch.index, self.biased(batch.image).argmax(1) != batch.target)
        wrong_K, n_K = group_mean(wrong_N.double(), target_N, self.classes)
        listens_K = wrong_K < self.config.t_error * n_K
        biased_N[wrong_N & listens_K[target_N]] *= self.config.alpha
        biased_N /= biased_N.max()
        inverse_N = 1 / (biased_N + 1e-8)
        sum_K, _ = group_mean(inverse_N, target_N, self.classes)
        weight_N = inverse_N / sum_K[target_N]
        self.get_buffer("target_weight_N").copy_(weight_N / weight_N.max())
