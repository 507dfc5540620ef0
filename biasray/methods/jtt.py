"""Just train twice: what a first, short training gets wrong counts more in a second one, from scratch.

Liu, Haghgoo, Chen, Raghunathan, Koh, Sagawa, Liang, Finn: Just Train Twice, ICML 2021.

    identify: ERM for T epochs; error set E = {i: argmax f(x_i) != y_i}
    fit:      from fresh weights, ERM on the training table with E added lambda times

so an example of E counts 1 + lambda times. Both stages use the same learning rate and weight decay.

Departures: the authors tune T and lambda for each data set; without that T is 200 steps (one epoch of a small table
ends before anything is learnt, and then E is nearly all of it), and lambda makes E weigh as much as all else. An
epoch of the second stage is N rows of the enlarged table in random order, not all of it, so that it takes as many
steps as an epoch of any other method. Axes: N row of the training table, C H W channel and pixel.
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

STEPS = 200


@dataclass(frozen=True, kw_only=True)
class Config:
    identify: Annotated[int | None, Range(1, 60, log=True)] = None
    """T, epochs of the first training. Default: 200 steps."""
    copies: Annotated[int | None, Range(5, 100, log=True)] = None
    """lambda, times that the error set is added. Default: as often as makes it weigh as much as the other examples."""

    def __post_init__(self) -> None:
        if self.identify == 0:
            raise ValueError("Setting 'identify' of jtt must be at least 1 epoch, or null for 200 steps.")


@final
class JTT(Method):
    own = {
        "": Preset(
            recipe=Recipe(optimiser="sgd", lr=1e-5, weight_decay=0.1, batch=64),
            epochs=50,
            settings={"identify": 1, "copies": 50},
        ),
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
        epochs = self.config.identify
        return (
            Stage("identify", self.step, epochs or 1, steps=None if epochs else STEPS, exposes=("network",)),
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
        wrong_N = self.get_buffer("wrong_N")
        n_wrong = int(wrong_N.sum())
        copies = self.config.copies
        if copies is None:
            copies = max(round((len(wrong_N) - n_wrong) / max(n_wrong, 1)) - 1, 0)
        return repeated(1 + copies * wrong_N, generator)[: len(wrong_N)]
