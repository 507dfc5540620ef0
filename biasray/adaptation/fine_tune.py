"""Supervised fine-tuning on labelled images of the pool: what labels are worth.

    L = mean_B CE(f(x), y)

Manzano Rodriguez, Guinaudeau, Satoh (CVPR workshops 2025) fine-tune gender classifiers so; settings are those of their
baseline: SGD 1e-3 with momentum 0.9, batch 16, 3 epochs, horizontal flips.
Departures: images are shifted too; `labels` of them are used, for a learning curve.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import final

import torch
from torch import Generator, Tensor, nn

from biasray.adaptation.views import weak
from biasray.contract import Draw, Labels, Method, Objective, Stage, Stream
from biasray.losses import ce
from biasray.random import generator
from biasray.recipe import Preset, Recipe


@dataclass(frozen=True, kw_only=True)
class Config:
    labels: int = 0
    """Images of the pool whose labels are used, the same for all seeds; 0: all."""

    def __post_init__(self) -> None:
        if self.labels < 0:
            raise ValueError(f"labels must be 0 or more, not {self.labels}.")


@final
class FineTune(Method):
    needs = frozenset({"labelled"})
    own = {"": Preset(recipe=Recipe(optimiser="sgd", lr=1e-3, batch=16), epochs=3)}

    def __init__(self, make: Callable[[int], nn.Module], labels: Labels, config: Config, epochs: int) -> None:
        super().__init__(make, labels, config, epochs)
        self.network, self.epochs = make(labels.classes), epochs
        assert labels.rows
        order_P = torch.randperm(labels.rows["labelled"], generator=generator("labels"))
        self.register_buffer("row_L", order_P[: config.labels or len(order_P)], persistent=False)

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("tune", self.step, self.epochs, streams={"labelled": Stream("labelled", rows=self.rows)}),)

    def predict(self, image_BCHW: Tensor) -> Tensor:
        logits: Tensor = self.network(image_BCHW)
        return logits

    def rows(self, generator: Generator) -> Tensor:
        row_L = self.get_buffer("row_L").cpu()
        return row_L[torch.randperm(len(row_L), generator=generator)]

    def step(self, draw: Draw) -> Iterator[Objective]:
        batch = draw()
        yield Objective(("network",), self.world.mean(ce(self.network(weak(batch.image, batch.key)), batch.target)))
