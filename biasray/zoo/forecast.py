"""What a zoo will take on a described cluster, foretold from a small zoo of the same programs that was made before."""

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple, final

import numpy as np

from biasray import storage
from biasray.metrics import interval
from biasray.zoo import plan, store

HOUR = 3600.0


@final
@dataclass(frozen=True, kw_only=True)
class Machines:
    """The machines that a zoo is to be made on, beside a head that trains nothing."""

    machines: int = 1
    """How many, all alike."""
    cores: int = 2
    """Of each."""
    gpus: int = 0
    """Of each: as the GPU that the calibration ran on. Default: trained on the cores."""
    price: float = 0.0
    """Of one machine an hour, in whatever currency."""
    head_price: float = 0.0
    """Of the head an hour."""
    boot: float = 0.0
    """Minutes until the machines are there; they are paid meanwhile."""
    speed: float = 1.0
    """Members an hour that a core (or GPU) there makes, to one here."""

    def __post_init__(self) -> None:
        if min(self.machines, self.cores) < 1 or self.gpus < 0:
            raise ValueError(f"--machines {self.machines} of --cores {self.cores} and --gpus {self.gpus} make no cluster.")
        if min(self.price, self.head_price, self.boot) < 0 or not 0 < self.speed < math.inf:
            raise ValueError("--price, --head-price and --boot must be 0 or more, --speed above 0.")


class Cost(NamedTuple):
    """What members of one program took, in a small zoo."""

    seconds: tuple[float, ...]  # a member, of each shard
    width: int  # members trained together


class Calibration(NamedTuple):
    """What a small zoo took."""

    costs: tuple[Cost, ...]  # of each program, in order
    start: float  # seconds until the first shard began
    gap: float  # seconds of a worker between two shards
    end: float  # seconds a shard, for index and manifest when all are done
    member_bytes: float  # that a member takes in storage
    fixed_bytes: int  # that every zoo takes
    memory: int  # bytes that a worker takes; of a CPU's
    threads: int
    device: str


class Forecast(NamedTuple):
    seconds: float  # from the command's start to the finished zoo
    busy: float  # seconds in which workers train, together
    gpu_hours: float
    core_hours: float
    bytes: float
    price: float
    shards: int
    workers: int


class Foretold(NamedTuple):
    """What is expected, and with the low and the high end of each program's seconds a member (95 % over shards)."""

    expected: Forecast
    low: Forecast
    high: Forecast


def read(folder: str, began: float, ended: float) -> Calibration:
    """What a finished zoo took that was made in one go between these two times (seconds since 1970)."""
    frozen, times = storage.read_json(storage.join(folder, plan.PLAN)), list[dict[str, Any]]()
    for number in range(len(frozen["shards"])):
        times.append(store.read_shard(folder, number)[2])
    costs = []
    for number, program in enumerate(frozen["programs"]):
        mine = [(t, s) for t, s in zip(times, frozen["shards"], strict=True) if s["program"] == number]
        costs.append(Cost(tuple(t["seconds"] / len(s["members"]) for t, s in mine), program["width"]))
    by_worker: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for one in sorted(times, key=lambda t: float(t["ended"])):
        by_worker.setdefault((one["machine"], one["process"]), []).append(one)
    gaps = [b["ended"] - b["seconds"] - a["ended"] for each in by_worker.values() for a, b in pairwise(each)]
    members = sum(len(shard["members"]) for shard in frozen["shards"])
    fixed = storage.size(storage.join(folder, store.ZOO)) + _bytes(storage.join(folder, "layouts"))
    grows = sum(_bytes(storage.join(folder, name)) for name in ("shards", "times"))
    grows += sum(storage.size(storage.join(folder, name)) for name in (plan.PLAN, store.INDEX, store.MANIFEST))
    return Calibration(
        tuple(costs),
        min(t["ended"] - t["seconds"] for t in times) - began,
        float(np.mean(gaps)) if gaps else 0.0,
        (ended - max(t["ended"] for t in times)) / len(times),
        grows / members,
        fixed,
        frozen["memory"],
        frozen["threads"],
        frozen["device"],
    )


def _bytes(folder: str) -> int:
    return sum(storage.size(storage.join(folder, name)) for name in storage.names(folder))


def check(machines: Machines, device: str, threads: int) -> None:
    """Raise ValueError where the machines are of another kind than what a calibration runs on."""
    if (device == "cuda") != bool(machines.gpus):
        there = "no --gpus are" if device == "cuda" else "--gpus are"
        raise ValueError(f"A plan calibrated on {device} is for such machines, and {there} given; run it on one like those.")
    if machines.cores < threads:
        raise ValueError(f"--cores {machines.cores} give no worker the {threads} threads that it takes.")


def foretell(calibration: Calibration, members: Sequence[int], machines: Machines) -> Foretold:
    """What so many members of each program take on these machines, where every worker does one shard after another.

    Raises ValueError where the machines are of another kind than what the calibration ran on.
    """
    means = [float(np.mean(cost.seconds)) for cost in calibration.costs]
    reach = [interval.over_seeds(np.array(cost.seconds)) for cost in calibration.costs]
    # Of a program with a single shard nothing is known but its mean.
    ends = [(i.low, i.high) if math.isfinite(i.high - i.low) else (m, m) for i, m in zip(reach, means, strict=True)]
    lows, highs = [max(low, 0.0) for low, _ in ends], [high for _, high in ends]
    return Foretold(*(_forecast(calibration, members, machines, each) for each in (means, lows, highs)))


def _forecast(calibration: Calibration, members: Sequence[int], machines: Machines, seconds: Sequence[float]) -> Forecast:
    check(machines, calibration.device, calibration.threads)
    workers = machines.machines * (machines.gpus or machines.cores // calibration.threads)
    shards = list[float]()
    for cost, count, here in zip(calibration.costs, members, seconds, strict=True):
        each = here / machines.speed
        size = plan.shard_size(each, cost.width, sum(members), workers)
        sizes = [size] * (count // size) + [count % size] * (count % size > 0)
        shards += [of * each + calibration.gap for of in sizes]
    until = [0.0] * workers
    for shard in shards:
        heapq.heapreplace(until, until[0] + shard)
    took = 60 * machines.boot + calibration.start + max(until) + calibration.end * len(shards)
    hours = took / HOUR
    return Forecast(
        took,
        sum(shards),
        hours * machines.machines * machines.gpus,
        hours * machines.machines * machines.cores,
        calibration.fixed_bytes + calibration.member_bytes * sum(members),
        hours * (machines.price * machines.machines + machines.head_price),
        len(shards),
        workers,
    )
