"""One loop for every method: resumable at any step, the same on any number of workers.

It owns optimisers, precision, workers, devices and checkpoints; a method only names its losses.
Not DistributedDataParallel: a loss on a part of the networks would leave the workers different.
"""

import io
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, final

import torch
from torch import Tensor, nn

from biasray import storage
from biasray.contract import Batch, Draw, Method, Objective, Predict, Stage, Table, networks
from biasray.metrics.counts import Counts, count
from biasray.metrics.exposure import Sides, sides
from biasray.metrics.groups import accuracy, group_average, worst_class, worst_group
from biasray.networks.norm import WorldBatchNorm2d
from biasray.predict import Precision, Predicted, autocast, predict
from biasray.random import key
from biasray.recipe import Recipe
from biasray.source import Source, every
from biasray.world import Alone, World

Select = Literal["last", "accuracy", "worst-group"]
SCORES = (accuracy, group_average, worst_group, worst_class)  # of validation, after each epoch
HASTE = 5.0  # seconds between checkpoints on a machine that will be taken away
SCAN = 4  # a batch without gradient is so many times as large as a training batch


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that a training depends on besides the method and the tables."""

    recipe: Recipe
    seed: int
    precision: Precision = "float32"
    select: Select = "last"
    """Which epoch of the last stage is kept: the last one, or the best on validation."""


class Tick(NamedTuple):
    """Told after each step."""

    stage: str
    done: float  # epochs so far, over all stages
    total: float
    images: int  # of this worker


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a training runs and what it leaves there; nothing here changes its result."""

    folder: str
    since: float = field(default_factory=time.monotonic)
    """When this start of the training began, by time.monotonic."""
    world: World = field(default_factory=Alone)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    save_seconds: float = 30.0
    leaving: Callable[[], bool] = lambda: False
    """Whether this machine will be taken away soon, asked after each step: then a checkpoint follows every few seconds."""
    ahead: bool = False
    """Fetch each batch while the one before it trains: for tables on a disk, or on the host while networks are on a GPU."""
    progress: Callable[[Tick], None] = lambda tick: None


class Trained(NamedTuple):
    """A training as it stands."""

    method: Method
    history: list[dict[str, Any]]
    seconds: float  # over all its starts; what was done again after a kill counts once


@dataclass
class Position:
    stage: int = 0
    phase: Literal["enter", "train", "after"] = "enter"
    epoch: int = 0
    step: int = 0


def train(
    build: Callable[[], Method], tables: Mapping[str, Table], plan: Plan, place: Place
) -> tuple[Method, list[dict[str, Any]]]:
    """Train a method to its end and leave it in eval mode: it, and its history. See `epochs`."""
    *_, last = epochs(build, tables, plan, place)
    return last.method.eval(), last.history


def epochs(build: Callable[[], Method], tables: Mapping[str, Table], plan: Plan, place: Place) -> Iterator[Trained]:
    """Train a method epoch by epoch, from the checkpoint in the folder where there is one; whoever stops asking stops it.

    `tables` holds "train", "validation" and whatever else the method's streams name; a method's own choice of a stage's best
    epoch is made on "choice" where that is there, else on "validation". Yields what is trained after each epoch, and once more
    at the end; history tells of each epoch the stage, the mean loss of each objective, and validation scores.
    Where there is a table "exposure", of training examples with their bias labels, history also tells what the method and
    each network that is to learn the bias get wrong of aligned and of conflicting ones.
    Raises ValueError where a loss is not finite or a stream is empty.
    """
    run = _Run(build, tables, plan, place)
    try:
        run.restore()
        while run.at.stage < len(run.stages):
            told = len(run.history)
            run.advance()
            if len(run.history) > told:
                yield run.trained()
        run.save()
        yield run.trained()
    finally:
        run.close()


@final
class _Run:
    """A training as it stands. What `save` writes and `restore` reads is all that its future depends on."""

    def __init__(self, build: Callable[[], Method], tables: Mapping[str, Table], plan: Plan, place: Place) -> None:
        self.build, self.tables, self.plan, self.place = build, tables, plan, place
        self.world, self.device = place.world, place.device
        self.method = self.born("start")
        for module in self.method.modules():
            if isinstance(module, Method | WorldBatchNorm2d):
                module.world = self.world
        self.stages = self.method.stages()
        if plan.select != "last":
            everything = tuple(name for name, _ in self.method.named_children())  # also what is averaged, not trained
            best = self.stages[-1]._replace(choose=self.method.predict, keep=everything)
            self.stages = (*self.stages[:-1], best)
        assert all(stage.choose for stage in self.stages if stage.patience is not None), "patience with what to judge by?"
        self.parameters = {name: self.learnt(name) for name in networks(self.method)}
        self.optimisers = {name: plan.recipe.build(p) for name, p in self.parameters.items()}
        self.at = Position()
        self.history: list[dict[str, Any]] = []
        self.best: dict[str, Any] = {}
        self.losses: dict[str, Tensor] = {}  # per objective: sum and number in this epoch
        self.sources: dict[str, Source] = {}
        self.images, self.earlier = 0, 0.0  # seconds of earlier starts, as far as they were saved
        self.saved = time.monotonic()

    def born(self, *purpose: object) -> Method:
        """A new method, its weights drawn from the seed and the purpose alone."""
        dtype = torch.float64 if self.plan.precision == "float64" else torch.float32
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(key(self.plan.seed, *purpose))
            return self.build().to(self.device, dtype).to(memory_format=torch.channels_last)

    def trained(self) -> Trained:
        return Trained(self.method, self.history, self.seconds())

    def seconds(self) -> float:
        return self.earlier + time.monotonic() - self.place.since

    def learnt(self, network: str) -> list[nn.Parameter]:
        return [p for p in self.method.get_submodule(network).parameters() if p.requires_grad]

    @property
    def stage(self) -> Stage:
        return self.stages[self.at.stage]

    def where(self) -> str:
        return f"{type(self.method).__name__}'s stage '{self.stage.name}'"

    # Checkpoints ----------------------------------------------------------------------------------

    def save(self) -> None:
        """Rank 0 writes: all else is the same on every worker."""
        self.saved = time.monotonic()
        self.refuse_infinite()
        if self.world.rank:
            return
        state = {
            "at": vars(self.at),
            "history": self.history,
            "seconds": self.seconds(),
            "losses": self.losses,
            "best": self.best,
            "method": self.method.state_dict(),
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
            "sources": {name: source.state() for name, source in self.sources.items()},
        }
        buffer = io.BytesIO()
        torch.save(state, buffer)
        storage.write(storage.join(self.place.folder, "state.pt"), buffer.getvalue())

    def save_now_and_then(self) -> None:
        wait = min(self.place.save_seconds, HASTE) if self.place.leaving() else self.place.save_seconds
        if time.monotonic() - self.saved >= wait:
            self.save()

    def refuse_infinite(self) -> None:
        for name, (total, _) in self.losses.items():
            if not total.isfinite():
                raise ValueError(
                    f"The loss of {name} is not finite in epoch {self.at.epoch + 1} of {self.where()}: lower the learning "
                    "rate and give another --out."
                )

    def restore(self) -> None:
        file = storage.join(self.place.folder, "state.pt")
        if not storage.exists(file):
            return
        state = torch.load(io.BytesIO(storage.read(file)), weights_only=True, map_location=self.device)
        self.at, self.history, self.earlier = Position(**state["at"]), state["history"], state["seconds"]
        self.losses, self.best = state["losses"], state["best"]
        self.method.load_state_dict(state["method"])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])
        if self.at.stage < len(self.stages) and self.at.phase != "enter":
            self.open()
            for name, source in self.sources.items():
                source.restore(state["sources"][name])

    def close(self) -> None:
        for source in self.sources.values():
            source.close()

    # Stages and epochs ----------------------------------------------------------------------------

    def advance(self) -> None:
        """One phase of the present stage. A checkpoint may follow each, and each can be repeated from the one before."""
        phase = {"enter": self.enter, "train": self.epoch, "after": self.after}[self.at.phase]
        phase()
        self.save_now_and_then()

    def open(self) -> None:
        for source in self.sources.values():
            source.close()
        batch, seed = self.plan.recipe.batch, (self.plan.seed, self.at.stage)
        # A thread that fetches ahead must not wait for what the GPU still has to do.
        device = torch.device("cpu") if self.place.ahead else self.device
        self.sources = {}
        for name, stream in self.stage.streams.items():
            named, table = f"Stream '{name}' of {self.where()}", self.tables[stream.table]
            self.sources[name] = Source(named, table, stream, batch, self.world, (*seed, name), device, self.place.ahead)

    def enter(self) -> None:
        self.open()
        if self.stage.fresh:
            newborn = self.born("fresh", self.at.stage)
            for name in self.stage.fresh:
                self.method.get_submodule(name).load_state_dict(newborn.get_submodule(name).state_dict())
                self.optimisers[name] = self.plan.recipe.build(self.parameters[name])
        self.best, self.losses, self.at.phase = {}, {}, "train"

    def epoch(self) -> None:
        stage = self.stage
        if stage.step:
            first = next(iter(self.sources.values()))
            if first.cycle < self.at.epoch:
                first.turn()
            while first.cycle <= self.at.epoch and not first.ended and self.at.step != stage.steps:
                done, total = self.done(first)
                self.step(stage.step, self.plan.recipe.rate(done, total))
                done, total = self.done(first)
                self.tick(done / total)
                self.save_now_and_then()
        self.at.phase = "after"

    def done(self, first: Source) -> tuple[float, float]:
        """Epochs of the present stage so far, and in all."""
        if self.stage.steps is not None:
            length = self.length(self.stage)
            return length * self.at.step / self.stage.steps, length
        return self.at.epoch + min(first.at / len(first.rows), 1.0), self.stage.epochs

    def step(self, step: Callable[[Draw], Iterator[Objective]], rate: float) -> None:
        for optimiser in self.optimisers.values():
            for group in optimiser.param_groups:
                group["lr"] = rate
        self.seed_dropout()
        self.method.train()
        objectives = step(self.draw)
        while True:
            # Entered anew for each objective: its cache would serve weights from before the last update.
            with autocast(self.device, self.plan.precision):
                objective = next(objectives, None)
            if objective is None:
                break
            self.update(objective)
        self.at.step += 1

    def seed_dropout(self) -> None:
        """Repeatable after a kill, but not the same on two workers as on one. (torch.manual_seed is slow.)"""
        seed = key(self.plan.seed, self.at.stage, self.at.step, self.world.rank)
        if self.device.type == "cuda":
            torch.cuda.default_generators[self.device.index or 0].manual_seed(seed)
        else:
            torch.default_generator.manual_seed(seed)

    def update(self, objective: Objective) -> None:
        parameters = [p for name in objective.networks for p in self.parameters[name]]
        for p in parameters:
            p.grad = None
        # Accumulated into p.grad, so in the parameter's own strides: fused Adam takes any others silently for its own.
        objective.loss.backward(inputs=parameters)
        if self.world.size > 1:
            grads = [p.grad for p in parameters if p.grad is not None]
            total = self.world.sum(torch.cat([g.flatten() for g in grads])) / self.world.size
            for g, mean in zip(grads, total.split([g.numel() for g in grads]), strict=True):
                g.copy_(mean.view(g.shape))
        for name in objective.networks:
            self.optimisers[name].step()
        name = "+".join(objective.networks)
        if name not in self.losses:
            self.losses[name] = torch.zeros(2, dtype=torch.float64, device=self.device)
        self.losses[name][0] += objective.loss.detach()
        self.losses[name][1] += 1

    def after(self) -> None:
        stage = self.stage
        self.method.eval()
        if stage.after_epoch:
            with torch.no_grad(), autocast(self.device, self.plan.precision):
                stage.after_epoch(self.scan)
        if stage.step:
            self.judge()
        self.at.epoch, self.at.phase, self.losses = self.at.epoch + 1, "train", {}
        ended = self.at.epoch >= stage.epochs if stage.steps is None else self.at.step >= stage.steps
        if stage.patience is not None and self.best:
            ended = ended or self.at.epoch - self.best["epoch"] >= stage.patience
        if ended:
            for name, weights in self.best.get("weights", {}).items():
                self.method.get_submodule(name).load_state_dict(weights)
            self.at = Position(stage=self.at.stage + 1)

    def judge(self) -> None:
        """Validate the epoch: for the history, and for the best networks where the stage chooses them."""
        self.refuse_infinite()
        stage, counts = self.stage, self.validate(self.method.predict)
        losses = {name: float(total / n) for name, (total, n) in self.losses.items()}
        scores = {f.__name__: float(f(counts)) for f in SCORES}
        self.history.append({"stage": stage.name, "epoch": self.at.epoch + 1, "losses": losses, **scores, **self.exposure()})
        if not stage.choose:
            return
        if stage.choose == self.method.predict:
            score = scores["worst_group" if self.plan.select == "worst-group" else "accuracy"]
        else:
            score = float(accuracy(self.validate(stage.choose, "choice" if "choice" in self.tables else "validation")))
        if score > self.best.get("score", -math.inf):
            kept = {name: self.method.get_submodule(name).state_dict() for name in stage.keep}
            weights = {name: {k: v.clone() for k, v in state.items()} for name, state in kept.items()}
            self.best = {"score": score, "epoch": self.at.epoch + 1, "weights": weights}

    # Batches --------------------------------------------------------------------------------------

    def draw(self, stream: str | None = None) -> Batch:
        batch = self.sources[stream or next(iter(self.sources))].next()
        self.images += len(batch.index)
        return self.told(batch)

    def scan(self, table: str = "train") -> Iterator[Batch]:
        for rows_B in every(self.tables[table], SCAN * self.plan.recipe.batch, self.world, self.device):
            yield self.told(self.tables[table].fetch(rows_B, rows_B))

    def told(self, batch: Batch) -> Batch:
        """The batch as the method may see it."""
        return batch if "bias" in self.method.needs else batch._replace(bias=None, group=None)

    def exposure(self) -> dict[str, Any]:
        if "exposure" not in self.tables:
            return {}
        exposed = {name: self.sides(self.method.get_submodule(name)) for name in self.stage.exposes}
        return {"training": self.sides(self.method.predict), "exposed": exposed}

    def sides(self, predictor: Predict) -> Sides:
        seen = self.predicted(predictor, "exposure")
        return sides(seen.logits_NK, seen.target_N, seen.bias_N)

    def validate(self, predictor: Predict, table: str = "validation") -> Counts:
        seen = self.predicted(predictor, table)
        classes, biases = seen.logits_NK.shape[1], int(seen.bias_N.max()) + 1
        return count(seen.target_N.numpy(), seen.bias_N.numpy(), seen.logits_NK.argmax(1).numpy(), classes, biases)

    def predicted(self, predictor: Predict, table: str) -> Predicted:
        batch = SCAN * self.plan.recipe.batch
        return predict(predictor, self.tables[table], batch, self.world, self.device, self.plan.precision)

    def tick(self, share: float) -> None:
        """Tell how far all stages are; `share` is that of the present one."""
        epochs = [self.length(stage) for stage in self.stages]
        done = sum(epochs[: self.at.stage]) + share * epochs[self.at.stage]
        self.place.progress(Tick(self.stage.name, done, sum(epochs), self.images))
        self.images = 0

    def length(self, stage: Stage) -> float:
        """Epochs of a stage; of one that is counted in steps, as many as these make."""
        if stage.step is None or stage.steps is None:
            return 0 if stage.step is None else stage.epochs
        first = next(iter(stage.streams.values()))
        return stage.steps * first.times * self.plan.recipe.batch / len(self.tables[first.table])
