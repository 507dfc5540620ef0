"""Choosing images and estimating bias at the paper's size, and asking references through Ray beside a bare loop."""

import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from biasray import storage
from biasray.audit import estimators
from biasray.audit.embedding import Embedding
from biasray.audit.probes import by_embedding
from biasray.data.dataset import DataSet
from biasray.engine.answers import answer_all
from biasray.engine.cluster import connect
from biasray.random import rng
from biasray.zoo import store
from biasray.zoo.answers import answers
from pipelines.benchmarks.drawn_zoo import draw
from pipelines.cli import about, run

BUDGET, TARGETS = 80, 100
NETWORK, SHAPE = "cnn", (3, 32, 32)
EACH = 16  # members of a shard


@dataclass(frozen=True, kw_only=True)
class Config:
    """Made-up references with 11 levels of bias and 4 architectures; networks with drawn weights, images of noise."""

    references: int = 2_200
    """Models whose answers are made up."""
    candidates: int = 1_000
    """Images to choose from."""
    members: int = 128
    """Networks that are asked."""
    images: int = 4_000
    """Images that they are asked about."""
    out: str = "pipelines/benchmarks/results/audit.json"
    """File of the results."""


def main(config: Config) -> None:
    torch.set_num_threads(os.cpu_count() or 1)
    answer_RN, bias_R = made_up(config.references, config.candidates)
    result: dict[str, Any] = {"about": about([{"device": "cpu", "workers": 1, "threads": torch.get_num_threads()}])}
    embeddings = {name: make for name, make in estimators.found().items() if isinstance(make(), Embedding)}
    result |= {name: estimating(make, answer_RN, bias_R) for name, make in embeddings.items()}
    with tempfile.TemporaryDirectory() as top:
        result["asking"] = asking(config, top)
    storage.write_json(config.out, result)
    print(json.dumps(result, indent=1))


def estimating(make: Callable[[], Any], answer_RN: np.ndarray, bias_R: np.ndarray) -> dict[str, float]:
    """Seconds to choose images and to learn from the first of them, and milliseconds of an estimate."""
    began = time.perf_counter()
    first = by_embedding(make(), answer_RN, bias_R)[:BUDGET]
    chosen = time.perf_counter()
    learnt = make().fit(answer_RN[:, first], bias_R)
    fitted = time.perf_counter()
    for row in range(TARGETS):
        learnt.predict(answer_RN[row : row + 1, first])
    told = time.perf_counter()
    return {"choose, s": chosen - began, "fit, s": fitted - chosen, "estimate, ms": 1000 * (told - fitted) / TARGETS}


def made_up(references: int, candidates: int) -> tuple[np.ndarray, np.ndarray]:
    """Answers (R, N), of which a tenth of the images tell of the bias (R,)."""
    drawn = rng("benchmark of audits")
    bias_R = np.arange(references) % 11 / 5 - 1 + drawn.normal(0, 0.1, references)
    slope_N = drawn.normal(0, 2, candidates) * (np.arange(candidates) % 10 == 0)
    base_AN = drawn.normal(30, 3, (4, candidates))
    noise_RN = drawn.normal(0, 4, (references, candidates))
    return base_AN[np.arange(references) // 11 % 4] + np.outer(bias_R, slope_N) + noise_RN, bias_R


def asking(config: Config, top: str) -> dict[str, float]:
    """Images a second of all members through Ray, and of one bare loop."""
    drawn = rng("benchmark of audits", "images")
    image_THWC = drawn.integers(0, 256, (config.images, 64, 64, 3), dtype=np.uint8)
    examples = pd.DataFrame({"id": [f"{k:06d}" for k in range(config.images)]})
    dataset = DataSet("noise", examples, (3, 64, 64), "", "", "noise", lambda rows: image_THWC[rows])
    zoo, rows = f"{top}/zoo", np.arange(config.images)
    about_M = pd.DataFrame({"targets": ["age"] * config.members, "precision": "float32"})
    draw(zoo, NETWORK, SHAPE, 1, about_M, EACH)
    connect()
    answer_all(zoo, dataset, rows[:1], top)  # starts Ray's workers
    began = time.perf_counter()
    answer_all(zoo, dataset, rows, top)
    ray = config.members * config.images / (time.perf_counter() - began)
    opened = store.Zoo(zoo)
    mine = opened.index[:EACH]
    weight_MP = opened.weights(mine["id"].tolist())
    torch.set_num_threads(1)
    began = time.perf_counter()
    answers(mine, weight_MP, (NETWORK, SHAPE, 1), image_THWC, torch.device("cpu"))
    bare = EACH * config.images / (time.perf_counter() - began)
    share = ray / bare / (os.cpu_count() or 1)
    return {"images/s": ray, "bare loop, one core": bare, "share of bare loops on all cores": share}


if __name__ == "__main__":
    run(Config, main)
