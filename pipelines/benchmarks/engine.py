"""Two Ray Train workers to one, in images a second and in what they predict; what Ray Tune adds to many small cells."""

import json
import tempfile
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import ray
import torch

from biasray import cell, data, methods, storage
from biasray.bias.task import Task
from biasray.data.dataset import DataSet
from biasray.engine.cells import Status, run_cells
from biasray.engine.cluster import connect
from biasray.experiment import Compute, Experiment, Training, resolved
from pipelines.cli import about, run

CPU = torch.device("cpu")


@dataclass(frozen=True, kw_only=True)
class Config:
    """Speed of the engine on this machine; needs a free core for each of two workers."""

    cells: int = 60
    """Small cells that Ray Tune hands out."""
    cell_epochs: int = 150
    """Epochs of each, on digits."""
    epochs: int = 8
    """Epochs of the small CNN on 4,000 drawn faces of 64 pixels, with one worker and with two."""
    rounds: int = 3
    """Times that one worker and two are compared."""
    out: str = "pipelines/benchmarks/results/engine.json"
    """File of the results."""


def main(config: Config) -> None:
    connect()
    rounds = [[images_per_second(config.epochs, workers) for workers in (1, 2)] for _ in range(config.rounds)]
    result: dict[str, Any] = {
        "about": about([{"device": "cpu", "workers": workers, "threads": 1} for workers in (1, 2)]),
        "train": {
            "images_per_second": {"one worker": [one for one, _ in rounds], "two workers": [two for _, two in rounds]},
            "two to one": [two / one for one, two in rounds],
        },
        "largest difference of a probability, two workers to one, float64": differences(),
        "tune": orchestration(config.cells, config.cell_epochs),
    }
    storage.write_json(config.out, result)
    print(json.dumps(result, indent=1))


def images_per_second(epochs: int, workers: int) -> float:
    """Of the small CNN on drawn faces in bf16, from a second after the first step to the last."""
    faces = data.load("drawn-faces")
    task = Task(data="drawn-faces", bias="hat", agreement=0.5)
    one = resolved(task, Training(epochs=epochs, network="cnn", precision="bf16"), faces, "erm", {}, "laptop", 0, CPU)
    seen = list[tuple[float, int]]()

    def told(status: Status) -> None:
        if status.images and (not seen or status.images > seen[-1][1]):
            seen.append((time.monotonic(), status.images))

    with tempfile.TemporaryDirectory() as out:
        failed = run_cells([one], faces, [f"{out}/one"], Compute(threads=1, workers=workers), f"{out}/ray", told)
    assert not failed, failed
    (began, before), (ended, images) = next(s for s in seen if s[0] > seen[0][0] + 1), seen[-1]
    return (images - before) / (ended - began)


def differences() -> dict[str, float]:
    """By method, after 4 epochs on digits: the largest difference between what two workers predict and one does."""
    digits, found = data.load("digits"), dict[str, float]()
    task, training = Task(data="digits", agreement=0.9), Training(epochs=4, batch=64, precision="float64")
    for method in methods.found():
        one = resolved(task, training, digits, method, {}, "laptop", 0, CPU)
        with tempfile.TemporaryDirectory() as out:
            folders = [f"{out}/{workers}" for workers in (1, 2)]
            for workers, folder in enumerate(folders, start=1):
                failed = run_cells([one], digits, [folder], Compute(threads=1, workers=workers), f"{out}/ray")
                assert not failed, failed
            alone, both = (cell.predictions(folder).filter(like="p_").to_numpy() for folder in folders)
            found[method] = float(np.abs(alone - both).max())
    return found


def orchestration(cells: int, epochs: int) -> dict[str, float]:
    """Share of the wall time of all actors, one a core, in which they trained no cell."""
    digits: DataSet = data.load("digits")
    task, training = Task(data="digits", agreement=0.9), Training(epochs=epochs, batch=64)
    many: list[Experiment] = [resolved(task, training, digits, "erm", {}, "laptop", seed, CPU) for seed in range(cells)]
    with tempfile.TemporaryDirectory() as out:
        folders = [f"{out}/{seed}" for seed in range(cells)]
        ends = list[float]()
        began = time.monotonic()
        failed = run_cells(
            many, digits, folders, Compute(threads=1), f"{out}/ray", finished=lambda _: ends.append(time.monotonic())
        )
        wall = time.monotonic() - began
        assert not failed, failed
        seconds = [storage.read_json(f"{folder}/{cell.DONE}")["seconds"] for folder in folders]
    return {
        "cells": cells,
        "seconds a cell": sum(seconds) / cells,
        "wall seconds": wall,
        "share without training": 1 - sum(seconds) / (ray.cluster_resources()["CPU"] * wall),
        "first result after seconds": ends[0] - began,
    }


if __name__ == "__main__":
    run(Config, main)
