"""Making a zoo: Ray Tune hands its shards to warm workers."""

import dataclasses
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, final

import ray
import torch

from biasray import storage
from biasray.data.dataset import DataSet
from biasray.engine.board import Teller
from biasray.engine.cells import Status
from biasray.engine.cluster import connect, device, refuse_too_much
from biasray.engine.fan_out import fan_out
from biasray.engine.work import Shared, share
from biasray.experiment import Compute
from biasray.loop import Tick
from biasray.zoo import plan, spec, store
from biasray.zoo.member import Member
from biasray.zoo.train import Trained, train


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
    where = device(compute)
    threads = compute.threads or 1
    each = {"CPU": float(threads), **({"GPU": 1.0} if where.type == "cuda" else {})}
    claim(out, members, about)
    connect()
    refuse_too_much(1, each)
    scratch = storage.join(out, "ray")
    shared = share(dataset, scratch)
    if not storage.exists(storage.join(out, plan.PLAN)):
        ask = ray.remote(num_cpus=threads, num_gpus=each.get("GPU", 0))(_measure)
        few = [mine[: max(plan.WIDTHS[where.type])] for mine in plan.programs(members).values()]
        speeds = [ray.get(ask.remote(mine, shared, where, threads)) for mine in few]
        workers = int(min(ray.cluster_resources().get(kind, 0) // amount for kind, amount in each.items()))
        plan.freeze(out, members, speeds, max(workers, 1), {"device": where.type, "threads": threads})
    frozen = storage.read_json(storage.join(out, plan.PLAN))
    if (frozen["device"], frozen["threads"]) != (where.type, threads):
        raise ValueError(
            f"{out} was planned for {frozen['device']} with {frozen['threads']} threads, which its members depend on: "
            f"give --device {frozen['device']} --threads {frozen['threads']}, or another --out."
        )
    shards = plan.read(out, members)
    todo = {}
    for shard in shards:
        if store.broken(out, shard.number):
            todo[shard.number] = _Job(shard, out, shared, where)
        else:
            finished(shard.number)
    failed = fan_out(todo, each, threads, None, scratch, told, finished) if todo else {}
    if not failed:
        store.finish(out, len(shards))
    return failed


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
    torch.set_num_threads(threads)
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
