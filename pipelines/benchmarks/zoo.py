"""Zoos: members an hour against one Ray Tune trial a member, the arithmetic against a bare loop, and orchestration alone."""

import json
import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from typing import Any

import psutil
import ray
import torch
import torch.nn.functional as F
from ray import tune

from biasray import networks, storage
from biasray.engine.cluster import connect
from biasray.engine.fan_out import fan_out
from biasray.engine.zoo import make_zoo
from biasray.experiment import Compute, fast_precision
from biasray.predict import Precision
from biasray.process import settle
from biasray.zoo.spec import DigitZoo
from pipelines.benchmarks.fused import bare_loop, noise
from pipelines.cli import about, run

CPU = torch.device("cpu")
BATCH = 128


@dataclass(frozen=True, kw_only=True)
class Config:
    """Speed of making zoos on this machine's CPU; needs all of its cores."""

    members: int = 64
    """Digit networks of each way."""
    images: int = 6_000
    """Training images of each, one epoch."""
    idle: int = 10_000
    """Members that do nothing, for the orchestration alone."""
    out: str = "pipelines/benchmarks/results/zoo.json"
    """File of the results."""


def main(config: Config) -> dict[str, Any]:
    torch.set_num_threads(1)
    connect()
    cores = int(ray.cluster_resources()["CPU"])
    precision = fast_precision("digit-cnn", CPU)
    bare = [bare_loop(BATCH, config.images // BATCH - 2, precision, CPU) for _ in range(3)]
    settle(1)
    settled = [bare_loop(BATCH, config.images // BATCH - 2, precision, CPU) for _ in range(3)]
    trials = published(config.members, config.images)
    ours = zoo(config.members, config.images, precision)
    result = {
        "about": about([{"device": "cpu", "workers": cores, "threads": 1}]),
        "bare fast loop, images a second of one process": bare,
        "bare fast loop that keeps its memory too": settled,
        "one Tune trial a member": trials,
        "zoo": ours,
        "members an hour, zoo to one trial a member": trials["wall seconds"] / ours["wall seconds"],
        "images a second, zoo to cores x bare loop": ours["images a second"] / (cores * statistics.median(bare)),
        "images a second, zoo to cores x bare loop that keeps its memory": ours["images a second"]
        / (cores * statistics.median(settled)),
        "orchestration": orchestration(config.idle),
    }
    storage.write_json(config.out, result)
    print(json.dumps(result, indent=1))
    return result


def plain_trial(config: dict[str, Any]) -> dict[str, float]:
    """The published way: a trial is a model, trained by the plain float32 loop."""
    torch.set_num_threads(1)
    image_NCHW, target_N = torch.rand(config["images"], 3, 28, 28), torch.randint(0, 10, (config["images"],))
    network = networks.build("digit-cnn", (3, 28, 28), 10)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    began = time.monotonic()
    for rows_B in torch.randperm(config["images"]).split(BATCH):
        optimiser.zero_grad()
        F.cross_entropy(network(image_NCHW[rows_B]), target_N[rows_B]).backward()
        optimiser.step()
    return {"seconds": time.monotonic() - began}


def published(members: int, images: int) -> dict[str, float]:
    """One Tune trial a member, its launch and its arithmetic apart."""
    with tempfile.TemporaryDirectory() as out:
        tuner = tune.Tuner(
            tune.with_resources(plain_trial, {"CPU": 1}),
            param_space={"member": tune.grid_search(list(range(members))), "images": images},
            run_config=tune.RunConfig(storage_path=out, verbose=0),
        )
        began = time.monotonic()
        results: Any = tuner.fit()
        wall = time.monotonic() - began
    cores = ray.cluster_resources()["CPU"]
    arithmetic = sum(r.metrics["seconds"] for r in results) / members
    return {
        "wall seconds": wall,
        "arithmetic seconds a member": arithmetic,
        "launch seconds a member": wall * cores / members - arithmetic,
    }


def zoo(members: int, images: int, precision: Precision) -> dict[str, Any]:
    """The same members as a zoo: all of it, tests and files included, and the arithmetic alone."""
    dataset = noise(images)
    spec = DigitZoo(members=members, images=images, epochs=(1,), batch=(BATCH,))
    chosen = spec.expand(dataset, precision, 0)
    with tempfile.TemporaryDirectory() as out:
        began = time.monotonic()
        failed = make_zoo(chosen, {}, dataset, out, Compute(device="cpu", threads=1))
        assert not failed, failed
        wall = time.monotonic() - began
        plan = storage.read_json(f"{out}/plan.json")
        times = [storage.read_json(f"{out}/times/{k:05d}.json") for k in range(len(plan["shards"]))]
    cores = ray.cluster_resources()["CPU"]
    training, all_of_it = sum(t["training_seconds"] for t in times), sum(t["seconds"] for t in times)
    return {
        "wall seconds": wall,
        "arithmetic seconds a member": training / members,
        "testing and writing seconds a member": (all_of_it - training) / members,
        "orchestration seconds a member": (wall * cores - all_of_it) / members,
        "images a second": cores * members * images / training,
        "packed": plan["programs"][0]["packed"],
        "width": plan["programs"][0]["width"],
    }


@dataclass(frozen=True)
class Nothing:
    """A shard of members that do nothing."""

    members: int

    def __call__(self, board: Any) -> None:
        """Nothing at all."""


def orchestration(members: int) -> dict[str, float]:
    """Members that do nothing, 50 a shard, and the driver's memory from a tenth of the shards to the last."""
    each = 50
    seen, driver = list[int](), psutil.Process(os.getpid())
    with tempfile.TemporaryDirectory() as out:
        jobs = {k: Nothing(each) for k in range(members // each)}
        began = time.monotonic()
        failed = fan_out(
            jobs, {"CPU": 1.0}, 1, None, f"{out}/ray", lambda s: None, lambda k: seen.append(driver.memory_info().rss)
        )
        wall = time.monotonic() - began
        assert not failed, failed
    return {
        "members": members,
        "shards": len(jobs),
        "milliseconds a member": 1000 * wall / members,
        "driver's memory at its end to that after a tenth": seen[-1] / seen[len(seen) // 10],
    }


if __name__ == "__main__":
    run(Config, main)
