"""Miniature methods, for tests only: each has a need that the contract promises to carry.

Axes: B example, N row of the training table, P row of the unlabelled table, K class, C H W channel and pixel.
"""

from collections.abc import Callable, Iterator
from typing import Any, final

import torch
from torch import Generator, Tensor, nn

from biasray import methods
from biasray.contract import Batch, Draw, Labels, Method, Objective, Scan, Stage, Stream
from biasray.losses import ce
from biasray.random import normal, uniform

Make = Callable[[int], nn.Module]


def weak(batch: Batch) -> Tensor:
    flip_B = uniform(batch.key, 1, 1)[:, :, None, None] < 0.5
    return torch.where(flip_B, batch.image.flip(3), batch.image)


def strong(batch: Batch) -> Tensor:
    noise = normal(batch.key, batch.image[0].numel() if len(batch.image) else 0, 2)
    return weak(batch) + 0.3 * noise.reshape(batch.image.shape).to(batch.image.dtype)


@final
class Views(Method):
    """Two streams of different tables and sizes, an unlabelled one, views by key, an average after the update."""

    own = {}

    def __init__(self, make: Make, labels: Labels, config: Any, epochs: int) -> None:
        super().__init__(make, labels, config, epochs)
        self.network, self.average = make(labels.classes), make(labels.classes).requires_grad_(False)
        self.average.load_state_dict(self.network.state_dict())
        self.epochs = epochs

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("fit", self.step, self.epochs, streams={"labelled": Stream(), "more": Stream("unlabelled", 2)}),)

    def predict(self, image_BCHW: Tensor) -> Tensor:
        return self.average(image_BCHW)

    def step(self, draw: Draw) -> Iterator[Objective]:
        few, many = draw(), draw("more")
        with torch.no_grad():
            p_B, label_B = self.network(weak(many)).softmax(1).max(1)
        loss_B = ce(self.network(strong(many)), label_B) * (p_B > 0.36)
        yield Objective(("network",), self.world.mean(ce(self.network(weak(few)), few.target)) + self.world.mean(loss_B))
        with torch.no_grad():
            for old, new in zip(self.average.state_dict().values(), self.network.state_dict().values(), strict=True):
                if old.is_floating_point():
                    old.lerp_(new, 0.2)
                else:
                    old.copy_(new)


@final
class Rounds(Method):
    """Rounds that rebuild their rows from predictions on another table, going on from the same weights."""

    own = {}

    def __init__(self, make: Make, labels: Labels, config: Any, epochs: int) -> None:
        super().__init__(make, labels, config, epochs)
        self.network, self.epochs, self.classes = make(labels.classes), epochs, labels.classes
        assert labels.rows is not None
        self.register_buffer("label_P", torch.full((labels.rows["unlabelled"],), -1))

    def stages(self) -> tuple[Stage, ...]:
        pool = {"pool": Stream("unlabelled", rows=self.rows)}
        again = (
            Stage("predict", None, after_epoch=self.survey),
            Stage("round", self.learn, self.epochs, streams=pool, choose=self.predict, keep=("network",)),
        )
        return (Stage("start", self.start, 1), *again, *again)

    def predict(self, image_BCHW: Tensor) -> Tensor:
        return self.network(image_BCHW)

    def survey(self, scan: Scan) -> None:
        for batch in scan("unlabelled"):
            p_B, label_B = self.network(batch.image).softmax(1).max(1)
            self.world.put(self.get_buffer("label_P"), batch.index, torch.where(p_B > 0.35, label_B, -1))

    def rows(self, generator: Generator) -> Tensor:
        sure_P = (self.get_buffer("label_P") >= 0).nonzero()[:, 0]
        return sure_P[torch.randperm(len(sure_P), generator=generator)]

    def start(self, draw: Draw) -> Iterator[Objective]:
        batch = draw()
        yield Objective(("network",), self.world.mean(ce(self.network(batch.image), batch.target)))

    def learn(self, draw: Draw) -> Iterator[Objective]:
        batch = draw()
        label_B = self.get_buffer("label_P")[batch.index]
        yield Objective(("network",), self.world.mean(ce(self.network(batch.image), label_B)))


@final
class Wrapper(Method):
    """Learns where the images tell something, then hides it from another method: dotted network names."""

    own = {}

    def __init__(self, make: Make, labels: Labels, config: Any, epochs: int) -> None:
        super().__init__(make, labels, config, epochs)
        self.region, self.side = make(labels.classes), 16
        self.inner = methods.build("jtt", make, labels, {"identify": 1, "copies": 2}, epochs)
        self.register_buffer("map_HW", torch.zeros(self.side, self.side))

    def stages(self) -> tuple[Stage, ...]:
        survey = Stage("map", None, after_epoch=self.survey)
        return (Stage("regions", self.regions, 1), survey, *map(self.wrapped, self.inner.stages()))

    def wrapped(self, stage: Stage) -> Stage:
        inner_step, inner_after = stage.step, stage.after_epoch

        def step(draw: Draw) -> Iterator[Objective]:
            assert inner_step is not None
            for objective in inner_step(lambda *a: self.hide(draw(*a))):
                yield objective._replace(networks=tuple(f"inner.{name}" for name in objective.networks))

        def after(scan: Scan) -> None:
            assert inner_after is not None
            inner_after(lambda *a: map(self.hide, scan(*a)))

        return stage._replace(
            name=f"hidden {stage.name}",
            step=inner_step and step,
            after_epoch=inner_after and after,
            fresh=tuple(f"inner.{name}" for name in stage.fresh),
            exposes=tuple(f"inner.{name}" for name in stage.exposes),
        )

    def predict(self, image_BCHW: Tensor) -> Tensor:
        return self.inner.predict(image_BCHW)

    def regions(self, draw: Draw) -> Iterator[Objective]:
        batch = draw()
        column_B = (uniform(batch.key, 1, 3) * self.side).long()
        seen_BW = (torch.arange(self.side) - column_B).abs() < 4
        yield Objective(("region",), self.world.mean(ce(self.region(batch.image * seen_BW[:, None, None]), batch.target)))

    def survey(self, scan: Scan) -> None:
        map_HW = self.get_buffer("map_HW").zero_()
        for batch in scan():
            sure_B = self.region(batch.image).softmax(1).amax(1)
            map_HW += self.world.sum((batch.image.mean(1) * sure_B[:, None, None]).sum(0))

    def hide(self, batch: Batch) -> Batch:
        map_HW = self.get_buffer("map_HW")
        noise = normal(batch.key, 3 * self.side**2, 4).reshape(batch.image.shape).to(batch.image.dtype)
        return batch._replace(image=batch.image + 0.5 * noise * (map_HW > map_HW.quantile(0.7)))


@final
class Patient(Method):
    """A first stage that ends when validation no longer rises, and goes back to its best."""

    own = {}

    def __init__(self, make: Make, labels: Labels, config: Any, epochs: int) -> None:
        super().__init__(make, labels, config, epochs)
        self.network, self.epochs = make(labels.classes), epochs

    def stages(self) -> tuple[Stage, ...]:
        first = Stage("first", self.step, 6, choose=self.predict, keep=("network",), patience=1)
        return (first, Stage("fit", self.step, self.epochs))

    def predict(self, image_BCHW: Tensor) -> Tensor:
        return self.network(image_BCHW)

    def step(self, draw: Draw) -> Iterator[Objective]:
        batch = draw()
        yield Objective(("network",), self.world.mean(ce(self.network(batch.image), batch.target)))
