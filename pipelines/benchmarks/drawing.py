"""Drawn faces: how many a core draws in a second, and how well the small CNN reads each attribute from them."""

import statistics
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from biasray import data, networks, storage
from biasray.data.dataset import Split
from biasray.data.drawn_faces import faces
from biasray.experiment import fast_precision
from biasray.metrics.counts import Floats, Ints, count
from biasray.metrics.groups import accuracy
from biasray.metrics.interval import over_examples, resample
from biasray.predict import autocast
from biasray.random import rng
from pipelines.cli import about, run

CPU = torch.device("cpu")
BATCH, PEAK = 64, 4e-3
OLD = 40  # years: ages are read as below it or not, with no margin between


@dataclass(frozen=True, kw_only=True)
class Config:
    """Time the drawing of faces with all masks on one core, and train one small CNN to read every attribute."""

    rounds: int = 5
    """Rounds of drawing; the median of their rates is reported."""
    images: int = 1_024
    """Faces drawn in a round."""
    epochs: int = 20
    """Epochs over the training split."""
    seed: int = 0
    """Of the network's weights and the order of training."""
    out: str = "pipelines/benchmarks/results/drawing.json"
    """Where the figures are written."""


def main(config: Config) -> dict[str, Any]:
    torch.set_num_threads(1)
    torch.manual_seed(config.seed)
    rates = [rate(config.images) for _ in range(config.rounds)]
    result = {
        "about": about([{"device": "cpu", "workers": 1, "threads": 1}]),
        "faces_per_second_of_a_core": {"median": statistics.median(rates), "low": min(rates), "high": max(rates)},
        "recipe": f"cnn, one head for all attributes; Adam, one cycle to {PEAK:g}, batch {BATCH}, {config.epochs} epochs",
        "age": f"below {OLD} years or not",
        "test_accuracy": read(config.epochs),
    }
    storage.write_json(config.out, result)
    print(result["faces_per_second_of_a_core"])
    print(pd.DataFrame(result["test_accuracy"]).T)
    return result


def rate(images: int) -> float:
    """Faces with masks drawn in a second of the core's time, other processes' not counted."""
    began = time.process_time()
    assert faces(np.arange(images)).masks.any()
    return images / (time.process_time() - began)


def read(epochs: int) -> dict[str, dict[str, float]]:
    """Accuracy for each attribute on the test split after the last epoch, with its interval over examples."""
    dataset = data.load("drawn-faces")
    codes = {name: code(dataset.examples[name]) for name in dataset.attributes}
    classes = [int(code_N.max()) + 1 for code_N in codes.values()]
    network = networks.build("cnn", dataset.shape, sum(classes)).to(memory_format=torch.channels_last)
    precision = fast_precision("cnn", CPU)

    def split(name: Split) -> tuple[Tensor, Tensor]:
        rows_N = np.flatnonzero(dataset.examples["split"] == name)
        return torch.from_numpy(dataset.images(rows_N)), torch.tensor(np.stack([c[rows_N] for c in codes.values()]))

    def logits(pixel_BHWC: Tensor) -> tuple[Tensor, ...]:
        with autocast(CPU, precision):
            out_BK = network((pixel_BHWC.float() / 255).permute(0, 3, 1, 2))
        return out_BK.float().split(classes, dim=1)

    image_NHWC, target_AN = split("train")
    optimiser = torch.optim.Adam(network.parameters(), fused=True)
    steps = epochs * -(-len(image_NHWC) // BATCH)
    # Smiles and gender are learnt late, and without a warm-up later still.
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK, total_steps=steps, pct_start=0.15)
    for _ in tqdm(range(epochs), desc="cnn"):
        for rows_B in torch.randperm(len(image_NHWC)).split(BATCH):
            losses = [F.cross_entropy(out, t[rows_B]) for out, t in zip(logits(image_NHWC[rows_B]), target_AN, strict=True)]
            optimiser.zero_grad()
            torch.stack(losses).sum().backward()
            optimiser.step()
            schedule.step()
    image_NHWC, target_AN = split("test")
    with torch.no_grad():
        parts = [[out.argmax(1) for out in logits(part)] for part in image_NHWC.split(250)]
    predicted_AN = [torch.cat(column) for column in zip(*parts, strict=True)]
    return {
        name: figures(target.numpy(), predicted.numpy(), k)
        for name, target, predicted, k in zip(codes, target_AN, predicted_AN, classes, strict=True)
    }


def code(column: pd.Series) -> Ints:
    if pd.api.types.is_numeric_dtype(column):
        return (column >= OLD).to_numpy(np.int64)
    return np.unique(column, return_inverse=True)[1].astype(np.int64)


def figures(target_N: Ints, predicted_N: Ints, classes: int) -> dict[str, float]:
    nobody_N = np.zeros_like(target_N)  # no bias attribute: a group is a class
    value = float(accuracy(count(target_N, nobody_N, predicted_N, classes, 1)))
    drawn_RS: Floats = accuracy(resample(target_N, nobody_N, predicted_N[None], classes, 1, rng("drawing")))
    interval = over_examples(value, drawn_RS[:, 0])
    return {"value": value, "low": interval.low, "high": interval.high, "n": len(target_N), "classes": classes}


if __name__ == "__main__":
    run(Config, main)
