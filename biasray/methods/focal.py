"""Focal loss: examples that are already right count less.

Lin, Goyal, Girshick, He, Dollar: Focal Loss for Dense Object Detection, ICCV 2017.

    L = mean_B (1 - p_y)^gamma CE(f(x), y)

Departures: no class weights (alpha); the classes of a comparison are about equally frequent.
Axes: B example, K class, C H W channel and pixel.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, final

from torch import Tensor, nn

from biasray.contract import Draw, Labels, Method, Objective, Stage
from biasray.losses import ce, full, p_true
from biasray.recipe import Preset, Recipe
from biasray.space import Range


@dataclass(frozen=True, kw_only=True)
class Config:
    gamma: Annotated[float, Range(0.5, 5)] = 2.0
    """How little easy examples count; 0 is cross-entropy."""


@final
class Focal(Method):
    own = {"": Preset(recipe=Recipe(lr=1e-3, batch=256), epochs=100)}

    def __init__(self, make: Callable[[int], nn.Module], labels: Labels, config: Config, epochs: int) -> None:
        super().__init__(make, labels, config, epochs)
        self.network, self.gamma, self.epochs = make(labels.classes), config.gamma, epochs

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("fit", self.step, self.epochs),)

    def predict(self, image_BCHW: Tensor) -> Tensor:
        logits: Tensor = self.network(image_BCHW)
        return logits

    def step(self, draw: Draw) -> Iterator[Objective]:
        batch = draw()
        logits_BK = full(self.network(batch.image))
        # Where p is 1 in floating point, 0^gamma has no gradient for gamma below 1.
        hard_B = (1 - p_true(logits_BK, batch.target)).clamp(min=1e-8) ** self.gamma
        yield Objective(("network",), self.world.mean(hard_B * ce(logits_BK, batch.target)))
