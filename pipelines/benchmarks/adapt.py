"""What adapting costs: a step of FixMatch and FlexMatch at mu 7, to one of plain training on the labelled images alone."""

import copy
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from biasray import adaptation, methods, networks, storage
from biasray.adaptation.views import strong, weak
from biasray.contract import Labels
from biasray.experiment import Compute, fast_precision
from biasray.loop import Place, Plan, Tick, train
from biasray.recipe import Recipe
from biasray.resident import Resident
from pipelines.cli import about, run

MU, CLASSES = 7, 2
# What is trained, and which share of the pool is sure enough to be learnt from.
WAYS: dict[str, tuple[str, float]] = {
    "plain": ("erm", 1),
    "fixmatch, all sure": ("fixmatch", 1),
    "fixmatch, 3 in 4 sure": ("fixmatch", 0.75),
    "fixmatch, half sure": ("fixmatch", 0.5),
    "flexmatch, all sure": ("flexmatch", 1),
}


@dataclass(frozen=True, kw_only=True)
class Config:
    """Time steps of plain training and of each way, in turn, where all or part of the pool is sure enough; and views alone."""

    rounds: int = 5
    """Rounds; the ratio is taken within each."""
    labelled: int = 512
    """Images of made-up noise with labels."""
    side: int = 48
    """Pixels a side."""
    batch: int = 64
    """Labelled images of a step."""
    network: str = "cnn"
    """Network."""
    device: str = "cpu"
    """cpu, or cuda:0."""
    out: str = "pipelines/benchmarks/results/adapt.json"
    """Where the figures are written."""


def main(config: Config) -> dict[str, Any]:
    device = Compute(device=config.device, threads=1).start()
    random, shape = np.random.default_rng(0), (3, config.side, config.side)
    precision = fast_precision(config.network, device)

    def table(rows: int) -> Resident:
        image_NHWC = random.integers(0, 256, (rows, config.side, config.side, 3), dtype=np.uint8)
        return Resident(image_NHWC, random.integers(0, CLASSES, rows), device=device)

    tables = {"train": table(config.labelled), "validation": table(64), "unlabelled": table(MU * config.labelled)}
    labels = Labels(tables["train"].target_N.cpu(), CLASSES, rows={name: len(of) for name, of in tables.items()})
    network = networks.build(config.network, shape, CLASSES)

    def make(outputs: int) -> nn.Module:
        """The same weights each time, so that it is as sure as was measured."""
        return copy.deepcopy(network)

    recipe = Recipe(optimiser="sgd", lr=1e-9, batch=config.batch)
    plan = Plan(recipe=recipe, seed=0, precision=precision)
    rows = torch.arange(MU * config.batch)
    batch = tables["unlabelled"].fetch(rows, rows)
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
        sure_B = copy.deepcopy(network).to(device)(weak(batch.image, batch.key)).float().softmax(1).amax(1)

    def step(method: str, share: float) -> float:
        """Seconds of one, without the first."""
        settings = {"mu": MU, "threshold": 0.0 if share == 1 else float(sure_B.quantile(1 - share))}
        settings |= {"floor": 0.0} if method == "flexmatch" else {}
        build: Callable[[], Any] = (
            partial(methods.build, method, make, labels, {}, 1)
            if method == "erm"
            else partial(adaptation.build, method, make, labels, settings, 1)
        )
        ticks = list[float]()

        def note(tick: Tick) -> None:
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            ticks.append(time.perf_counter())

        with tempfile.TemporaryDirectory() as folder:
            train(build, tables, plan, Place(folder=folder, device=device, save_seconds=1e9, progress=note))
        steps = -(-config.labelled // config.batch)
        return (ticks[-1] - ticks[-steps]) / (steps - 1)

    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(config.rounds + 1):
        for way, found in seconds.items():
            found.append(step(*WAYS[way]))
    result: dict[str, Any] = {
        "about": about([{"device": str(device), "workers": 1, "threads": 1}]),
        "network": config.network,
        "images": f"{config.side} x {config.side}, {config.batch} labelled and {MU * config.batch} others a step, {precision}",
    }
    for way, found in seconds.items():
        ratios = [a / b for a, b in zip(found[1:], seconds["plain"][1:], strict=True)]  # the first round warms up
        result[way] = {
            "labelled images a second": statistics.median(config.batch / s for s in found[1:]),
            "time to plain": {"median": statistics.median(ratios), "low": min(ratios), "high": max(ratios)},
        }
    for name, view in (("weak", weak), ("strong", strong)):
        result[f"{name} views a second"] = len(rows) / _seconds(partial(view, batch.image, batch.key), device)
    storage.write_json(config.out, result)
    print(json.dumps(result, indent=1))
    return result


def _seconds(work: Callable[[], Any], device: torch.device) -> float:
    """Median of ten, after one."""
    took = list[float]()
    for _ in range(11):
        began = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        took.append(time.perf_counter() - began)
    return statistics.median(took[1:])


if __name__ == "__main__":
    run(Config, main)
