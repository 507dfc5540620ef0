"""Learning from failure: what a deliberately biased network fails on is what the other one learns from.

Nam, Cha, Ahn, Lee, Shin: Learning from Failure, NeurIPS 2020.

    biased:   L_b = mean_B GCE(f_b(x), y)
    debiased: L_d = mean_B W CE(f_d(x), y),    W = b / (b + d + 1e-8)

b and d are the two networks' cross-entropies of the example, each as a moving average over its visits
(the first visit stores the raw loss), divided by the largest present average of the example's class over
the whole training table.

Departures: none known. (The authors' ResNet freezes its backbone on CelebA; ours trains all of it.)
Axes: B example, N row of the training table, C H W channel and pixel.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, final

import torch
from torch import Tensor, nn

from biasray.contract import Batch, Draw, Labels, Method, Objective, Stage
from biasray.losses import ce, class_max, gce
from biasray.recipe import Preset, Recipe
from biasray.space import Range

_UNSEEN = -1.0  # no loss is negative


@dataclass(frozen=True, kw_only=True)
class Config:
    q: Annotated[float, Range(0.3, 0.9)] = 0.7
    """How much the biased network prefers easy examples (q of the generalised cross-entropy)."""
    alpha: Annotated[float, Range(0.5, 0.99)] = 0.7
    """What the moving average keeps of its old value."""


@final
class LfF(Method):
    own = {
        "": Preset(recipe=Recipe(lr=1e-3, batch=256), epochs=100),
        "celeba": Preset(recipe=Recipe(lr=1e-4, weight_decay=1e-4, batch=256), epochs=50),
    }

    def __init__(self, make: Callable[[int], nn.Module], labels: Labels, config: Config, epochs: int) -> None:
        super().__init__(make, labels, config, epochs)
        self.biased, self.debiased = make(labels.classes), make(labels.classes)
        self.config, self.epochs, self.classes = config, epochs, labels.classes
        self.register_buffer("target_N", labels.target_N, persistent=False)
        for name in ("biased_loss_N", "debiased_loss_N"):
            self.register_buffer(name, torch.full((len(labels.target_N),), _UNSEEN))

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("fit", self.step, self.epochs),)

    def predict(self, image_BCHW: Tensor) -> Tensor:
        logits: Tensor = self.debiased(image_BCHW)
        return logits

    def relative(self, name: str, batch: Batch, loss_B: Tensor) -> Tensor:
        """(B,) moving average of each example's loss over its class's present maximum."""
        average_N = self.get_buffer(name)
        old_B, new_B = average_N[batch.index], loss_B.detach().to(average_N.dtype)
        alpha = self.config.alpha
        self.world.put(average_N, batch.index, torch.where(old_B < 0, new_B, alpha * old_B + (1 - alpha) * new_B))
        largest_K = class_max(average_N, self.get_buffer("target_N"), self.classes)
        return average_N[batch.index] / largest_K[batch.target].clamp(min=1e-12)

    def step(self, draw: Draw) -> Iterator[Objective]:
        batch = draw()
        logits_biased, loss_debiased = self.biased(batch.image), ce(self.debiased(batch.image), batch.target)
        b = self.relative("biased_loss_N", batch, ce(logits_biased, batch.target))
        d = self.relative("debiased_loss_N", batch, loss_debiased)
        yield Objective(("biased",), self.world.mean(gce(logits_biased, batch.target, self.config.q)))
        yield Objective(("debiased",), self.world.mean(b / (b + d + 1e-8) * loss_debiased))
