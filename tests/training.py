"""Tiny trainings for tests: whole, killed and resumed, on one worker or two."""

import inspect
import itertools
import os
import random
import signal
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from biasray import adaptation, methods, networks, space
from biasray.contract import Batch, Labels, Method, Table
from biasray.loop import Place, Plan, Select, train
from biasray.predict import Precision
from biasray.recipe import Recipe
from biasray.resident import Resident
from biasray.world import Alone, Distributed, World
from tests import needs

torch.set_num_threads(1)  # forked children must not meet a thread pool; one thread is also one rounding
torch.optim.Adam([torch.zeros(1, requires_grad=True)])  # imports for seconds: once, before the forks

CLASSES, BIASES, SIDE, BATCH = 3, 2, 16, 16
SEED = 5
Event = Callable[..., None]


def quiet(*_: Any) -> None:
    """An event at which nothing happens."""


CPU = torch.device("cpu")


def table(
    rows: int,
    seed: int,
    dtype: torch.dtype = torch.float32,
    hidden: bool = False,
    side: int = SIDE,
    device: torch.device = CPU,
) -> Resident:
    """Noise with a little of the class in its brightness and much of the bias in its red."""
    random = np.random.default_rng(seed)
    target_N = random.integers(0, CLASSES, rows)
    bias_N = np.where(random.random(rows) < 0.8, target_N % BIASES, random.integers(0, BIASES, rows))
    image_NHWC = random.integers(0, 100, (rows, side, side, 3)) + 40 * target_N[:, None, None, None]
    image_NHWC[..., 0] += 60 * bias_N[:, None, None]
    seen_N = None if hidden else bias_N
    return Resident(image_NHWC.astype(np.uint8), target_N, seen_N, BIASES, device=device, dtype=dtype)


def tables(
    rows: int = 51, dtype: torch.dtype = torch.float32, hidden: bool = False, device: torch.device = CPU
) -> dict[str, Table]:
    """No length is a multiple of the batch size, nor its remainder of two workers."""
    sizes = {"secondary": 37, "unlabelled": 45, "validation": 29, "exposure": 19, "labelled": 23}
    others = {name: table(n, seed, dtype, device=device) for seed, (name, n) in enumerate(sizes.items())}
    return {"train": table(rows, 9, dtype, hidden, device=device), **others}


class Noting(Table):
    """Notes the rows of each fetch."""

    def __init__(self, inner: Table) -> None:
        self.inner, self.rows = inner, list[Tensor]()

    def __len__(self) -> int:
        return len(self.inner)

    def fetch(self, index_B: Tensor, key_B: Tensor) -> Batch:
        self.rows.append(index_B)
        return self.inner.fetch(index_B, key_B)


def labels(of: dict[str, Table], biased: bool = True) -> Labels:
    train_table = of["train"]
    assert isinstance(train_table, Resident)
    rows = {name: len(t) for name, t in of.items()}
    bias_N = train_table.bias_N if biased else None
    secondary = {"secondary": (20,) * CLASSES}
    return Labels(train_table.target_N.cpu(), CLASSES, None if bias_N is None else bias_N.cpu(), BIASES, rows, secondary)


# Without them two epochs would not show what sets these methods apart, or a committee would train for minutes.
STRONG: dict[str, dict[str, float]] = {
    "poisoner": {"p": 20},
    "bias-ensemble": {"steps": 20, "sure": 0.4},
    "echoes": {"t_error": 2},
}


def settings(name: str) -> dict[str, Any]:
    """Settings of a short training: every searchable whole number at its lowest."""
    config = type(methods.config(name, {}))
    return {field: int(r.low) for field, r in space.ranges(config).items() if field in space.whole(config)} | STRONG.get(
        name, {}
    )


MINIATURES: dict[str, type[Method]] = {
    name: kind for name, kind in vars(needs).items() if inspect.isclass(kind) and kind.__module__ == needs.__name__
}
REAL = list(methods.found())
ADAPTING: dict[str, dict[str, Any]] = {  # settings at which a network that knows little yet is sure of something
    "fine-tune": {"labels": 15},
    "fixmatch": {"threshold": 0.36, "mu": 2, "balance": "estimated", "align": True},
    "flexmatch": {"threshold": 0.36, "floor": 0.34, "mu": 2},
    "pseudo-label": {"threshold": 0.0, "rounds": 2, "balance": "none"},
}
ALL = [*REAL, *ADAPTING, *MINIATURES]


@dataclass(frozen=True)
class Case:
    subject: str
    network: str = "cnn"
    precision: Precision = "float32"
    rows: int = 51
    side: int = SIDE
    told: bool = True
    """False: bias labels are neither in the training table nor shown to the method."""
    ahead: bool = False
    judged: bool = True
    """False: there are no training examples with bias labels to judge networks by."""
    select: Select = "last"
    epochs: int = 2

    def build(self, told: Labels) -> Method:
        make = partial(networks.build, self.network, (3, self.side, self.side))
        if self.subject in MINIATURES:
            return MINIATURES[self.subject](make, told, None, self.epochs)
        if self.subject in ADAPTING:
            return adaptation.build(self.subject, make, told, ADAPTING[self.subject], self.epochs)
        if self.told and "bias" not in methods.get(self.subject).needs:  # shown all the same: it must not matter
            config = methods.config(self.subject, settings(self.subject))
            return methods.get(self.subject)(make, told, config, self.epochs)
        return methods.build(self.subject, make, told, settings(self.subject), self.epochs)


class Result(NamedTuple):
    state: dict[str, Tensor]
    history: list[dict[str, Any]]
    events: int


class Watched(Table):
    """Calls an event before each fetch."""

    def __init__(self, inner: Table, event: Event) -> None:
        self.inner, self.event = inner, event

    def __len__(self) -> int:
        return len(self.inner)

    def fetch(self, index_B: Tensor, key_B: Tensor) -> Batch:
        self.event()
        return self.inner.fetch(index_B, key_B)


def run(
    case: Case,
    folder: str | Path,
    world: World | None = None,
    event: Event = quiet,
    save_seconds: float = 1e9,
    device: torch.device = CPU,
) -> Result:
    """Train a case in this process; the event happens after each step and before each fetch from any table."""
    of = tables(case.rows, torch.float64 if case.precision == "float64" else torch.float32, not case.told, device)
    if case.side != SIDE:
        of = {name: table(len(t), i, side=case.side) for i, (name, t) in enumerate(of.items())}
    if not case.judged:
        del of["exposure"]
    told, events = labels(of, case.told), itertools.count()

    def happened(*_: Any) -> None:
        next(events)
        event()

    plan = Plan(recipe=Recipe(lr=2e-3, batch=BATCH, schedule="cosine"), seed=SEED, precision=case.precision, select=case.select)
    where = {"world": world or Alone(), "device": device, "save_seconds": save_seconds, "ahead": case.ahead}
    place = Place(folder=str(folder), progress=happened, **where)
    watched = {name: Watched(t, happened) for name, t in of.items()}
    method, history = train(lambda: case.build(told), watched, plan, place)
    return Result({name: x.cpu().clone() for name, x in method.state_dict().items()}, history, next(events))


@cache
def whole(case: Case) -> Result:
    with TemporaryDirectory() as folder:
        return run(case, folder)


def equal(a: Result, b: Result) -> bool:
    return (
        a.state.keys() == b.state.keys()
        and all(torch.equal(x, b.state[name]) for name, x in a.state.items())
        and a.history == b.history
    )


def distance(a: Result, b: Result) -> float:
    assert a.state.keys() == b.state.keys()
    return max(float((x.double() - b.state[name].double()).abs().max()) for name, x in a.state.items())


# Processes ----------------------------------------------------------------------------------------


def forked(workers: int, job: Callable[[int], None], loud: bool = True) -> bool:
    """job(rank) in a process of its own each; when one dies the others are killed. True where all finished."""
    left: set[int] = set()
    for rank in range(workers):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # the child uses none of this process's threads
            pid = os.fork()
        if pid == 0:
            code = 1
            try:
                signal.alarm(60)
                job(rank)
                code = 0
            except BaseException:
                if loud:
                    traceback.print_exc()
            finally:
                os._exit(code)
        left.add(pid)
    good = True
    while left:
        for pid in list(left):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                left.discard(pid)
                if status and good:
                    good = False
                    for other in left:
                        os.kill(other, signal.SIGKILL)
        time.sleep(0.002)
    return good


_meetings = itertools.count()


def pair(job: Callable[[World], None], folder: str | Path, loud: bool = True) -> bool:
    """job(world) on two gloo workers."""
    meeting = f"file://{Path(folder).absolute()}/meeting-{next(_meetings)}"

    def work(rank: int) -> None:
        dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2)
        job(Distributed())
        dist.barrier()
        dist.destroy_process_group()

    return forked(2, work, loud)


class Killer:
    """Ends its process without notice at its n-th event."""

    def __init__(self, n: int) -> None:
        self.left = n

    def __call__(self, *_: Any) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def killed(case: Case, folder: Path, workers: int, save_seconds: tuple[float, ...]) -> tuple[list[Result], int]:
    """Killed at a random event once for each of these, then finished. Results by rank, and how often it was killed."""
    draw = random.Random(f"{case}{workers}")
    kills, good, longest = 0, False, whole(case).events * 2 // 3

    def job(world: World, seconds: float, rank: int, n: int) -> None:
        event = Killer(n) if world.rank == rank else quiet
        torch.save(tuple(run(case, folder, world, event, seconds)), folder / f"end-{world.rank}.pt")

    for seconds in (*save_seconds, 0.0):
        if good:
            break
        last = kills == len(save_seconds)
        work = partial(job, seconds=seconds, rank=draw.randrange(workers), n=-1 if last else draw.randint(2, longest))
        good = forked(1, lambda _, work=work: work(Alone()), last) if workers == 1 else pair(work, folder, last)
        kills += not good
    assert good, "the training does not finish"
    return ends(folder, workers), kills


def ends(folder: Path, workers: int) -> list[Result]:
    return [Result(*torch.load(folder / f"end-{rank}.pt", weights_only=True)) for rank in range(workers)]


@cache
def two(case: Case) -> list[Result]:
    """Uninterrupted on two workers."""
    with TemporaryDirectory() as folder:

        def job(world: World) -> None:
            torch.save(tuple(run(case, folder, world)), f"{folder}/end-{world.rank}.pt")

        assert pair(job, folder), "a worker failed; its traceback is above"
        return ends(Path(folder), 2)


class Stop(Exception):  # noqa: N818
    """Raised at an event, to end a training within this process."""


def linear(outputs: int, side: int = SIDE) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * side * side, outputs))
