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

from torch import Tensor, nn

from biasray.contract import Draw, Labels, Method, Objective, Stage
from biasray.losses import RelativeLoss, ce, gce
from biasray.recipe import Preset, Recipe
from biasray.space import Range


@dataclass(frozen=True, kw_only=True)
class Config:
    q: Annotated[float, Range(0.3, 0.9)] = 0.7
    """How much the biased network prefers easy examples (q of the generalised cross-entropy)."""
    alpha: Annotated[float, Range(0.5, 0.99)] = 0.7
    """What the moving average keeps of its old value."""


@final
class LfF(Method):
    version = 2
    own = {
        "": Preset(recipe=Recipe(lr=1e-3, batch=256), epochs=100),
        "celeba": Preset(recipe=Recipe(lr=1e-4, weight_decay=1e-4, batch=256), epochs=50),
    }

    def __init__(self, make: Callable[[int], nn.Module], labels: Labels, config: Config, epochs: int) -> None:
        super().__init__(make, labels, config, epochs)
        self.biased, self.debiased = make(labels.classes), make(labels.classes)
        self.q, self.epochs = config.q, epochs
        self.biased_loss = RelativeLoss(labels.target_N, labels.classes, config.alpha)
        self.debiased_loss = RelativeLoss(labels.target_N, labels.classes, config.alpha)

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("fit", self.step, self.epochs, exposes=("biased",)),)

    def predict(self, image_BCHW: Tensor) -> Tensor:
        logits: Tensor = self.debiased(image_BCHW)
        return logits

    def step(self, draw: Draw) -> Iterator[Objective]:
        batch = draw()
        logits_biased, loss_debiased = self.biased(batch.image), ce(self.debiased(batch.image), batch.target)
        b = self.biased_loss(self.world, batch, ce(logits_biased, batch.target))
        d = self.debiased_loss(self.world, batch, loss_debiased)
        yield Objective(("biased",), self.world.mean(gce(logits_biased, batch.target, self.q)))
        yield Objective(("debiased",), self.world.mean(b / (b + d + 1e-8) * loss_debiased))
