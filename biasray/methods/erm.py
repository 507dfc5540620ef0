"""Empirical risk minimisation: plain cross-entropy, the baseline of every comparison (the papers' 'Vanilla').

L = mean_B CE(f(x), y)

Own settings: those of the multi-layer perceptron on coloured MNIST in Nam et al. 2020.
Axes: B example, C H W channel and pixel.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import final

from torch import Tensor, nn

from biasray.contract import Draw, Labels, Method, Objective, Stage
from biasray.losses import ce
from biasray.recipe import Preset, Recipe


@dataclass(frozen=True, kw_only=True)
class Config:
    """ERM has no settings of its own."""


@final
class ERM(Method):
    own = {"": Preset(recipe=Recipe(lr=1e-3, batch=256), epochs=100)}

    def __init__(self, make: Callable[[int], nn.Module], labels: Labels, config: Config, epochs: int) -> None:
        super().__init__(make, labels, config, epochs)
        self.network, self.epochs = make(labels.classes), epochs

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("fit", self.step, self.epochs, exposes=("network",)),)

    def predict(self, image_BCHW: Tensor) -> Tensor:
        logits: Tensor = self.network(image_BCHW)
        return logits

    def step(self, draw: Draw) -> Iterator[Objective]:
        batch = draw()
        yield Objective(("network",), self.world.mean(ce(self.network(batch.image), batch.target)))
