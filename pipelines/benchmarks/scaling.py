"""Zoos on 1, 2, 4 and 8 machines of one CPU each: members that wait instead of computing, and real ones on real cores.

The machines are processes of this one (`ray.cluster_utils`), beside a head without CPUs, as `cluster.yaml` has it.
"""

import json
import logging
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import ray
import torch
from ray.cluster_utils import Cluster

from biasray import storage
from biasray.engine.fan_out import fan_out
from biasray.engine.zoo import make_zoo
from biasray.experiment import Compute, fast_precision
from biasray.zoo.spec import DigitZoo
from pipelines.benchmarks.fused import noise
from pipelines.cli import about, run


@dataclass(frozen=True, kw_only=True)
class Config:
    """How a zoo scales with machines; needs all cores of this one, for some ten minutes."""

    machines: tuple[int, ...] = (1, 2, 4, 8)
    """Machines of one CPU each, whose members wait."""
    shards: int = 16
    """Shards for each machine."""
    seconds: float = 5.0
    """That a shard takes, of members that wait; in a zoo it is 30 or more."""
    members: int = 64
    """Digit networks, trained on one machine and on as many as there are cores."""
    images: int = 6_000
    """Training images of each, one epoch."""
    out: str = "pipelines/benchmarks/results/scaling.json"
    """File of the results."""

    def __post_init__(self) -> None:
        if min(*self.machines, self.members, self.images) < 1 or not self.machines or self.shards < 2 or self.seconds <= 0:
            raise ValueError("Give --machines, --members and --images of 1 or more, 2 or more --shards, and --seconds above 0.")


def main(config: Config) -> dict[str, Any]:
    waiting = [_waiting(count, config.shards * count, config.seconds) for count in config.machines]
    alone, together = (_training(count, config.members, config.images) for count in (1, os.cpu_count() or 1))
    efficiency = together["members a second"] / alone["members a second"] / together["machines"]
    result = {
        "about": about([{"device": "cpu", "workers": max(config.machines), "threads": 1}]),
        "members that wait": waiting,
        "members that are trained": [alone, together],
        "efficiency of members that are trained": efficiency,
    }
    storage.write_json(config.out, result)
    print(json.dumps(result, indent=1))
    return result


@dataclass(frozen=True)
class Wait:
    """A shard whose members wait."""

    seconds: float

    def __call__(self, board: Any) -> None:
        time.sleep(self.seconds)


def _waiting(machines: int, shards: int, seconds: float) -> dict[str, float]:
    """Efficiency: seconds of waiting to those that passed on all machines, once each has done a shard; and with the start."""
    ended = list[float]()
    with _cluster(machines), tempfile.TemporaryDirectory() as out:
        began = time.monotonic()
        jobs = {k: Wait(seconds) for k in range(shards)}
        failed = fan_out(jobs, {"CPU": 1.0}, 1, None, f"{out}/ray", lambda s: None, lambda k: ended.append(time.monotonic()))
    assert not failed, failed
    warm = ended[-1] - ended[machines - 1]
    return {
        "machines": machines,
        "shards": shards,
        "efficiency": (shards - machines) * seconds / (machines * warm),
        "efficiency with the start": shards * seconds / (machines * (ended[-1] - began)),
        "start seconds": ended[0] - began - seconds,
    }


def _training(machines: int, members: int, images: int) -> dict[str, float]:
    """Members a second from the first shard's start to the last one's end; the driver works beside them."""
    dataset = noise(images)
    chosen = DigitZoo(members=members, images=images, epochs=(1,), batch=(128,)).expand(
        dataset, fast_precision("digit-cnn", torch.device("cpu")), 0
    )
    with _cluster(machines), tempfile.TemporaryDirectory() as out:
        failed = make_zoo(chosen, {}, dataset, out, Compute(device="cpu", threads=1))
        assert not failed, failed
        shards = len(storage.read_json(f"{out}/plan.json")["shards"])
        times = [storage.read_json(f"{out}/times/{k:05d}.json") for k in range(shards)]
    took = max(t["ended"] for t in times) - min(t["ended"] - t["seconds"] for t in times)
    return {
        "machines": machines,
        "shards": shards,
        "members a second": members / took,
        "share of the time in which members are made": sum(t["seconds"] for t in times) / (machines * took),
    }


@contextmanager
def _cluster(machines: int) -> Iterator[None]:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    for _ in range(machines):
        cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
    try:
        yield
    finally:
        ray.shutdown()
        cluster.shutdown()


if __name__ == "__main__":
    run(Config, main)
