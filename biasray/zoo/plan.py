"""What is trained together and how: measured once, then frozen, so that a zoo that goes on ends as an undisturbed one.

Axes: M member.
"""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import product
from typing import Any, NamedTuple

import torch

from biasray import storage
from biasray.data.dataset import DataSet
from biasray.zoo.member import Member, Program
from biasray.zoo.packing import Packed
from biasray.zoo.stacked import fusable, sketch
from biasray.zoo.train import memory_taken, train

PLAN = "plan.json"
SECONDS = 45.0  # of work in a shard
EACH = 4  # shards a worker, at least
STEPS, UNTIMED = 6, 3  # steps of a measurement; the third that is not timed is the one that a GPU captures
ALONE: tuple[Packed, int] = ("single", 1)  # the only way for networks that cannot be fused
PACKED: dict[str, tuple[Packed, ...]] = {"cpu": ("grouped", "batched"), "cuda": ("grouped", "batched", "looped")}
WIDTHS = {"cpu": (8,), "cuda": (16, 64, 128, 256, 512)}  # of members together


class Speed(NamedTuple):
    """One way to train members of a program: `width` at a time, packed so."""

    packed: Packed
    width: int
    seconds: float  # of a member's steps, without the start of epochs and its test
    memory: int  # bytes that a worker takes, of its own or of its GPU's; on a CPU no less than the way measured before


class Shard(NamedTuple):
    """Members of one program that are trained by one task, `width` at a time, and stored in one file."""

    number: int
    members: tuple[Member, ...]
    packed: Packed
    width: int


def programs(members: Sequence[Member]) -> dict[Program, list[Member]]:
    found: dict[Program, list[Member]] = {}
    for member in members:
        found.setdefault(member.program, []).append(member)
    return found


def measure(members: Sequence[Member], dataset: DataSet, device: torch.device) -> list[Speed]:
    """How fast members of one program are trained in each way that can be had, and with how much memory."""
    first = members[0]
    fused = fusable(sketch(first.network, first.shape, first.lesson.outputs))
    together = PACKED[device.type] if fused else ()
    with suppress(torch.OutOfMemoryError):
        timed([first], dataset, device, "single")  # what is only loaded or compiled once is not to count
    ways = [ALONE, *product(together, WIDTHS[device.type])]
    found = list[Speed]()
    for packed, width in ways:
        if width <= len(members):
            try:
                found.append(timed(members[:width], dataset, device, packed))
            except torch.OutOfMemoryError:
                torch.cuda.empty_cache()
    if not found:
        raise ValueError(f"The device has too little memory for one {first.network}: give a smaller --batch.")
    return found


def timed(members: Sequence[Member], dataset: DataSet, device: torch.device, packed: Packed, steps: int = STEPS) -> Speed:
    """The speed of these members, trained together; of all their steps so many are timed, after three that are not."""
    ticks = [time.monotonic()]
    all_steps = members[0].epochs * -(-members[0].lesson.images // members[0].recipe.batch)
    stop = min(steps + UNTIMED, all_steps)
    start = min(UNTIMED, stop - 1)

    def tick(done: float) -> None:
        if device.type == "cuda" and len(ticks) in (start, stop):
            torch.cuda.synchronize(device)
        ticks.append(time.monotonic())

    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    train(members, dataset, packed, device, tick, stop)
    a_step = (ticks[stop] - ticks[start]) / (stop - start)
    return Speed(packed, len(members), a_step * all_steps / len(members), memory_taken(device))


def best_first(ways: Sequence[Speed], at_once: Callable[[int], int]) -> list[Speed]:
    """The way first that makes most members an hour: of workers with so many bytes each, `at_once` work side by side."""
    return sorted(ways, key=lambda way: way.seconds / at_once(way.memory) if at_once(way.memory) else math.inf)


def freeze(
    folder: str, members: Sequence[Member], speeds: Sequence[Sequence[Speed]], workers: int, about: dict[str, Any]
) -> None:
    """Write the plan: members of each program, in order, in shards of about 45 seconds by its best way.

    Where there are few members, shards are smaller, so that every worker gets some. `about` says on what it was
    measured; `speeds` are those of each program in order, the best first.
    """
    found, shards = [], list[dict[str, Any]]()
    for (program, mine), ways in zip(programs(members).items(), speeds, strict=True):
        best = ways[0]
        size = shard_size(best.seconds, best.width, len(members), workers)
        found.append({**program._asdict(), "packed": best.packed, "width": best.width, "speeds": [w._asdict() for w in ways]})
        for start in range(0, len(mine), size):
            shards.append({"program": len(found) - 1, "members": [m.id for m in mine[start : start + size]]})
    storage.write_json(storage.join(folder, PLAN), {**about, "programs": found, "shards": shards})


def shard_size(seconds: float, width: int, members: int, workers: int) -> int:
    """Members of a shard: about 45 seconds' worth of whole packs, or fewer so that each worker gets some shards.

    `seconds` is what a member takes, `width` the members of a pack, `members` those of the whole zoo.
    """
    most = min(round(SECONDS / seconds), members // (EACH * workers))
    return width * max(1, most // width)


def read(folder: str, members: Sequence[Member]) -> list[Shard]:
    """The shards of a frozen plan. Raises ValueError where it does not hold all members."""
    plan, by_id = storage.read_json(storage.join(folder, PLAN)), {member.id: member for member in members}
    shards = []
    for number, shard in enumerate(plan["shards"]):
        program = plan["programs"][shard["program"]]
        mine = tuple(by_id[name] for name in shard["members"] if name in by_id)
        shards.append(Shard(number, mine, program["packed"], program["width"]))
    if sum(len(shard.members) for shard in shards) != len(members):
        raise ValueError(f"{folder}/{PLAN} does not hold all members; put it back, or give another --out.")
    return shards
