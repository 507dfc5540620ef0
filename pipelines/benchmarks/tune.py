"""What a search adds to many short trials: the share of all workers' time in which none was trained."""

import json
import tempfile
import time
from dataclasses import dataclass

import ray
import torch

from biasray import data, search, storage
from biasray.bias.task import Task
from biasray.engine.search import run_search
from biasray.experiment import Compute, Training, resolved
from biasray.search import Search, Way
from pipelines.cli import about, run


@dataclass(frozen=True, kw_only=True)
class Config:
    """A search of LfF's settings on scikit-learn's digits, with nothing else on the machine."""

    trials: int = 200
    """Settings to try."""
    epochs: int = 60
    """Epochs of each: some seconds."""
    way: Way = "random"
    """random, asha or optuna."""
    out: str = "pipelines/benchmarks/results/tune.json"
    """File of the results."""


def main(config: Config) -> None:
    digits = data.load("digits")
    task, training = Task(data="digits", agreement=0.95, validation="balanced"), Training(epochs=config.epochs, batch=64)
    base = resolved(task, training, digits, "lff", {}, "laptop", 100, torch.device("cpu"))
    with tempfile.TemporaryDirectory() as out:
        began = time.monotonic()
        lost = run_search(
            Search(base, config.way, "group-average"), config.trials, digits, out, Compute(threads=1), f"{out}/ray"
        )
        wall = time.monotonic() - began
        assert not lost, lost
        seconds = [tried.seconds for tried in search.all_tried(out)]
    result = {
        "about": about([{"device": "cpu", "workers": 1, "threads": 1}]),
        "way": config.way,
        "trials": len(seconds),
        "seconds a trial": sum(seconds) / len(seconds),
        "wall seconds": wall,
        "share without training": 1 - sum(seconds) / (ray.cluster_resources()["CPU"] * wall),
    }
    storage.write_json(config.out, result)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    run(Config, main)
