"""Just train twice: what a first, short training gets wrong counts more in a second one, from scratch.

Liu, Haghgoo, Chen, Raghunathan, Koh, Sagawa, Liang, Finn: Just Train Twice, ICML 2021.

    identify: ERM for T epochs; error set E = {i: argmax f(x_i) != y_i}
    fit:      from fresh weights, ERM on the training table with E added lambda times

so an example of E counts 1 + lambda times. Both stages use the same learning rate and weight decay.

Departures: an epoch of the second stage is one pass over the enlarged table, as in the authors' code; under the
common budget it therefore takes more steps than an epoch of ERM. The defaults of T and lambda are the authors'
CelebA ones. Axes: N row of the training table, C H W channel and pixel.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, final

import torch
from torch import Generator, Tensor, nn

from biasray.contract import Draw, Labels, Method, Objective, Scan, Stage, Stream
from biasray.losses import ce
from biasray.recipe import Preset, Recipe
from biasray.sampling import repeated
from biasray.space import Range


@dataclass(frozen=True, kw_only=True)
class Config:
    identify: Annotated[int, Range(1, 60, log=True)] = 1
    """T, epochs of the first training."""
    copies: Annotated[int, Range(5, 100, log=True)] = 50
    """lambda, times that the error set is added."""


@final
class JTT(Method):
    own = {
        "": Preset(recipe=Recipe(optimiser="sgd", lr=1e-5, weight_decay=0.1, batch=64), epochs=50),
        "waterbirds": Preset(
            recipe=Recipe(optimiser="sgd", lr=1e-5, weight_decay=1.0, batch=64),
            epochs=300,
            settings={"identify": 60, "copies": 100},
        ),
    }

    def __init__(self, make: Callable[[int], nn.Module], labels: Labels, config: Config, epochs: int) -> None:
        super().__init__(make, labels, config, epochs)
        self.network, self.config, self.epochs = make(labels.classes), config, epochs
        self.register_buffer("wrong_N", torch.zeros(len(labels.target_N), dtype=torch.bool))

    def stages(self) -> tuple[Stage, ...]:
        return (
            Stage("identify", self.step, self.config.identify),
            Stage("survey", None, after_epoch=self.survey),
            Stage("fit", self.step, self.epochs, fresh=("network",), streams={"train": Stream(rows=self.rows)}),
        )

    def predict(self, image_BCHW: Tensor) -> Tensor:
        logits: Tensor = self.network(image_BCHW)
        return logits

    def step(self, draw: Draw) -> Iterator[Objective]:
        batch = draw()
        yield Objective(("network",), self.world.mean(ce(self.network(batch.image), batch.target)))

    def survey(self, scan: Scan) -> None:
        for batch in scan():
            wrong_B = self.network(batch.image).argmax(1) != batch.target
            self.world.put(self.get_buffer("wrong_N"), batch.index, wrong_B)

    def rows(self, generator: Generator) -> Tensor:
        return repeated(1 + self.config.copies * self.get_buffer("wrong_N"), generator)
