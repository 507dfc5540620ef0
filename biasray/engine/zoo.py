"""Making a zoo: Ray Tune hands its shards to warm workers."""

import dataclasses
import os
import platform
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, final

import numpy as np
import ray
import ray.data
import torch
from ray.exceptions import RayError

from biasray import storage
from biasray.data.dataset import DataSet
from biasray.engine.board import Teller
from biasray.engine.cells import Status
from biasray.engine.cluster import connect, device, joined, refuse_too_much, room
from biasray.engine.fan_out import fan_out
from biasray.engine.sweep import needs
from biasray.engine.work import Shared, last_line, share
from biasray.experiment import Compute
from biasray.loop import Tick
from biasray.process import settle
from biasray.zoo import plan, spec, store
from biasray.zoo.member import Member
from biasray.zoo.train import Trained, memory_taken, train


def make_zoo(
    members: Sequence[Member],
    about: Mapping[str, Any],
    dataset: DataSet,
    out: str,
    compute: Compute,
    told: Callable[[Status], None] = lambda status: None,
    finished: Callable[[int], None] = lambda number: None,
) -> dict[int, str]:
    """Train the members of a zoo that its folder does not hold yet; returns one sentence for each shard that failed.

    `about` is kept as zoo.json. `told` is called about once a second (its unit is the member), `finished` with the
    number of each shard that is done. Raises ValueError where the folder holds another zoo, or was planned for another
    kind of device.
    """
    if compute.workers != 1 or compute.min_workers is not None:
        raise ValueError("The members of a zoo are trained side by side, none by several workers: leave out --workers.")
    if compute.gpu_share != 1:
        raise ValueError("As many members of a zoo are trained together as a GPU has room for: leave out --gpu-share.")
    where = torch.device(device(compute).type)  # each worker has one GPU of its own, whose number is 0
    each, threads = needs(compute)
    claim(out, members, about)
    connect()
    refuse_too_much(1, each)
    scratch = storage.join(out, "ray")
    planned = storage.exists(storage.join(out, plan.PLAN))
    if planned:
        _refuse_other_compute(out, where, threads)
        todo = _todo(out, members, finished)
    if not planned or todo:
        shared = share(dataset, scratch)
        try:
            if not planned:
                _plan(out, members, shared, where, threads, each)
                todo = _todo(out, members, finished)
            each = _with_memory(each, storage.read_json(storage.join(out, plan.PLAN))["memory"])
            _refuse_too_little_memory(each)
            jobs = {shard.number: _Job(shard, out, shared, where) for shard in todo}
            failed = fan_out(jobs, each, threads, None, scratch, told, finished, sum(len(shard.members) for shard in todo))
        finally:
            storage.delete_folder(scratch)
        if failed:
            return failed
    store.finish(out, len(plan.read(out, members)))
    return {}


def _plan(
    out: str, members: Sequence[Member], shared: Shared, where: torch.device, threads: int, each: Mapping[str, float]
) -> None:
    """Measure on a worker how members are best trained, and freeze it."""
    ask = ray.remote(num_cpus=threads, num_gpus=each.get("GPU", 0), max_calls=1)(_measure)  # memory: that of one program
    few = [mine[: max(plan.WIDTHS[where.type])] for mine in plan.programs(members).values()]
    try:
        speeds = [ray.get(ask.remote(mine, shared, where, threads)) for mine in few]
    except RayError as error:
        raise ValueError(f"The speed of training could not be measured: {last_line(error)}") from error

    on_cpu = where.type == "cpu"  # of a GPU, which a worker has for itself, only ways that fit it are found

    def at_once(memory: int) -> int:
        return room(_with_memory(each, memory if on_cpu else 0))

    best = [plan.best_first(ways, at_once) for ways in speeds]
    memory = max(ways[0].memory for ways in best) if on_cpu else 0
    _refuse_too_little_memory(_with_memory(each, memory))
    plan.freeze(out, members, best, max(1, at_once(memory)), {"device": where.type, "threads": threads, "memory": memory})


def _with_memory(each: Mapping[str, float], memory: int) -> dict[str, float]:
    return {**each, **({"memory": memory} if memory else {})}


def _refuse_too_little_memory(each: Mapping[str, float]) -> None:
    """Raise ValueError where no machine has room for a worker; a joined cluster may grow, so there it is only warned of."""
    if room(each):
        return
    said = f"A worker takes {each['memory'] / 1e9:.1f} GB of memory for these members, and no machine has room for one"
    if not joined():
        raise ValueError(f"{said}: free memory, or give a smaller --batch or fewer --images, and another --out.")
    warnings.warn(f"{said}. It waits for the cluster to grow; stop it if it cannot.", stacklevel=2)


def _refuse_other_compute(out: str, where: torch.device, threads: int) -> None:
    frozen = storage.read_json(storage.join(out, plan.PLAN))
    if (frozen["device"], frozen["threads"]) != (where.type, threads):
        raise ValueError(
            f"{out} was planned for {frozen['device']} with {frozen['threads']} threads, which its members depend on: "
            f"give --device {frozen['device']} --threads {frozen['threads']}, or another --out."
        )


def _todo(out: str, members: Sequence[Member], finished: Callable[[int], None]) -> list[plan.Shard]:
    """Shards of the plan that are missing or damaged; `finished` is told of the others."""
    found = []
    for shard in plan.read(out, members):
        if store.broken(out, shard.number):
            found.append(shard)
        else:
            finished(shard.number)
    return found


def members_of(folder: str) -> ray.data.Dataset:
    """A finished zoo as a Ray Dataset, read a shard at a time: what the index says of each member, and its `weights` (P,).

    Raises ValueError for a zoo of several networks, whose weights make no one column.
    """
    zoo = store.Zoo(folder)
    if len(several := zoo.index["network"].unique()) > 1:
        raise ValueError(f"{folder} holds members of several networks ({', '.join(several)}); read them by `Zoo.weights`.")
    connect()
    scalar = [name for name in zoo.index if not isinstance(zoo.index[name].iloc[0], np.ndarray)]
    shards = [{"shard": int(number)} for number in sorted(zoo.index["shard"].unique())]

    def read(batch: dict[str, Any]) -> dict[str, Any]:
        (number,) = batch["shard"]
        mine = zoo.index[zoo.index["shard"] == number]
        return {**{k: mine[k].to_numpy() for k in scalar}, "weights": zoo.weights(mine["id"].tolist()).numpy()}

    return ray.data.from_items(shards, override_num_blocks=len(shards)).map_batches(read, batch_size=1)


def claim(out: str, members: Sequence[Member], about: Mapping[str, Any]) -> None:
    """Make the folder this zoo's own, or see that it already is."""
    file = storage.join(out, store.ZOO)
    mine = spec.fingerprint(members)
    if not storage.exists(file):
        if storage.names(out):
            raise ValueError(f"{out} is not empty and holds no zoo; give another --out.")
        storage.write_json(file, {"hash": mine, **about})
    elif storage.read_json(file)["hash"] != mine:
        raise ValueError(f"{out} holds another zoo; give another --out.")


def _measure(members: Sequence[Member], shared: Shared, where: torch.device, threads: int) -> list[plan.Speed]:
    settle(threads)
    return plan.measure(members, shared.open(), where)


@final
class _Clock:
    """Tells how many members of a shard are done, and counts the seconds of their training."""

    def __init__(self, tell: Teller, members: int) -> None:
        self.tell, self.members, self.seconds = tell, members, 0.0

    def start(self, done: int, pack: int, images: int) -> None:
        """A pack begins, after so many members: its size, and the images of a step."""
        self.done, self.pack, self.images, self.at = done, pack, images, time.monotonic()

    def __call__(self, share: float) -> None:
        now = time.monotonic()
        self.seconds, self.at = self.seconds + now - self.at, now
        self.tell(Tick("zoo", self.done + share * self.pack, self.members, self.images))


class _Job(NamedTuple):
    """A shard on its way to a worker."""

    shard: plan.Shard
    folder: str
    shared: Shared
    where: torch.device

    def __call__(self, board: Any) -> None:
        began, dataset = time.monotonic(), self.shared.open()
        packs, clock = list[Trained](), _Clock(Teller(board, self.shard.number), len(self.shard.members))
        for start in range(0, clock.members, self.shard.width):
            pack = self.shard.members[start : start + self.shard.width]
            clock.start(start, len(pack), pack[0].program.batch * len(pack))
            packs.append(train(pack, dataset, self.shard.packed, self.where, clock))
        made = {
            "seconds": time.monotonic() - began,
            "training_seconds": clock.seconds,
            "memory": memory_taken(self.where),
            "ended": time.time(),
            "device": str(self.where),
            "machine": platform.node(),
            "torch": torch.__version__,
            "process": os.getpid(),
        }
        store.write_shard(self.folder, self.shard, packs, made)


def described(config: Any) -> dict[str, Any]:
    """A config as zoo.json keeps it."""
    return {"kind": type(config).__name__, "spec": dataclasses.asdict(config)}
