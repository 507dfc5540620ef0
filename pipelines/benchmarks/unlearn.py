"""What unlearning costs: an epoch of JLU, one step of the attribute for each of the target, to one of plain training."""

import json
import statistics
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from biasray import storage
from biasray.experiment import fast_precision
from biasray.resident import Resident
from pipelines.benchmarks.loop import CPU, ours
from pipelines.cli import about, run

BINS, VALUES, SIDE = 14, 2, 96
# No loss is so small a share of a guess's: the attribute is learnt in every step.
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("erm", {}),
    "alvi": ("jlu", {"enough": 0.0, "most": 1, "routing": "alvi"}),
    "printed": ("jlu", {"enough": 0.0, "most": 1, "routing": "printed"}),
}


@dataclass(frozen=True, kw_only=True)
class Config:
    """Time one epoch of plain training and of JLU with both routings, in turn."""

    rounds: int = 5
    """Rounds; the ratio is taken within each."""
    images: int = 2_048
    """96 x 96 images of made-up noise."""
    network: str = "gender-cnn"
    """Network of 128 features."""
    out: str = "pipelines/benchmarks/results/unlearn.json"
    """Where the figures are written."""


def main(config: Config) -> dict[str, Any]:
    torch.set_num_threads(1)
    torch.optim.Adam([torch.zeros(1, requires_grad=True)])  # the first one of a process imports for seconds
    random = np.random.default_rng(0)
    image_NHWC = random.integers(0, 256, (config.images, SIDE, SIDE, 3), dtype=np.uint8)
    age_N, gender_N = random.integers(0, BINS, config.images), random.integers(0, VALUES, config.images)
    train, few = Resident(image_NHWC, age_N), Resident(image_NHWC[:64], age_N[:64])
    precision = fast_precision(config.network, CPU)
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(config.rounds + 1):
        for way, (method, settings) in WAYS.items():
            tables = {"train": train, "validation": few}
            if method == "jlu":
                tables["gender"] = Resident(image_NHWC, gender_N)
            seconds[way].append(ours(method, settings, config.network, tables, precision))
    result: dict[str, Any] = {"about": about([{"device": "cpu", "workers": 1, "threads": 1}]), "network": config.network}
    for way in WAYS:
        ratios = [a / b for a, b in zip(seconds[way][1:], seconds["plain"][1:], strict=True)]  # the first round warms up
        result[way] = {
            "images of the target a second": statistics.median(config.images / s for s in seconds[way][1:]),
            "time to plain": {"median": statistics.median(ratios), "low": min(ratios), "high": max(ratios)},
        }
    storage.write_json(config.out, result)
    print(json.dumps(result, indent=1))
    return result


if __name__ == "__main__":
    run(Config, main)
