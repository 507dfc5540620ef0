"""Our loop against a bare PyTorch loop on the same arrays, and against ImageFolder with a DataLoader."""

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder
from tqdm import tqdm

from biasray import methods, networks, storage
from biasray.contract import Labels
from biasray.experiment import fast_precision
from biasray.loop import Place, Plan, Tick, train
from biasray.predict import Precision, autocast
from biasray.recipe import Recipe
from biasray.resident import Resident
from pipelines.cli import about, run

CPU = torch.device("cpu")


@dataclass(frozen=True, kw_only=True)
class Config:
    """Time one epoch of ERM: our loop, a bare loop on the same arrays, and ImageFolder with DataLoader(num_workers=2)."""

    rounds: int = 7
    """Rounds; in each the loops take turns, and the ratio is taken within the round."""
    mlp_images: int = 60_000
    """Coloured 28 x 28 images for the multi-layer perceptron."""
    cnn_images: int = 4_096
    """64 x 64 images for the small CNN."""
    threads: int = 1
    """Torch threads of the training process."""
    out: str = "pipelines/benchmarks/results/loop.json"
    """Where the figures are written."""


def main(config: Config) -> dict[str, Any]:
    torch.set_num_threads(config.threads)
    torch.optim.Adam([torch.zeros(1, requires_grad=True)])  # the first one of a process imports for seconds
    found = {"mlp": measure("mlp", config.mlp_images, 28, 1, config.rounds)}
    found["cnn"] = measure("cnn", config.cnn_images, 64, 3, config.rounds)
    result = {"about": about([{"device": "cpu", "workers": 1, "threads": config.threads}]), "images_per_second": found}
    storage.write_json(config.out, result)
    for name, figures in found.items():
        print(name, ", ".join(f"{k} {v:.3g}" if "ratio" in k else f"{k} {v:,.0f}" for k, v in figures.items()))
    return result


def measure(name: str, images: int, side: int, channels: int, rounds: int) -> dict[str, float]:
    """Median images a second of each loop, and the median over rounds of ours divided by the others."""
    random, batch = np.random.default_rng(0), 256
    image_NHWC = random.integers(0, 256, (images, side, side, channels), dtype=np.uint8)
    target_N = random.integers(0, 10, images)
    colour_N3 = random.random((images, 3)) if channels == 1 else None
    table = Resident(image_NHWC, target_N, colour_N3=colour_N3)
    few = Resident(image_NHWC[:batch], target_N[:batch], colour_N3=None if colour_N3 is None else colour_N3[:batch])
    precision = fast_precision(name, CPU)
    with tempfile.TemporaryDirectory() as folder:
        loops: dict[str, Callable[[], float]] = {
            "ours": lambda: ours("erm", {}, name, {"train": table, "validation": few}, precision),
            "bare": lambda: bare(name, table, precision),
        }
        if channels == 3:
            write_folder(Path(folder), image_NHWC, target_N)
            loops["image_folder"] = lambda: image_folder(name, Path(folder), precision)
        seconds: dict[str, list[float]] = {key: [] for key in loops}
        for _ in tqdm(range(rounds + 1), desc=name):
            for key, loop in loops.items():
                seconds[key].append(loop())
    rates = {key: [images / s for s in all_s[1:]] for key, all_s in seconds.items()}  # the first round warms up
    figures = {key: statistics.median(rate) for key, rate in rates.items()}
    for key in loops:
        if key != "ours":
            ratio = [a / b for a, b in zip(rates["ours"], rates[key], strict=True)]
            figures |= {f"ratio_to_{key}": statistics.median(ratio), f"ratio_to_{key}_low": min(ratio)}
            figures[f"ratio_to_{key}_high"] = max(ratio)
    return figures


def ours(method: str, settings: dict[str, Any], network: str, tables: Mapping[str, Resident], precision: Precision) -> float:
    """Seconds of one epoch, from the first draw to the last update, without start and validation. Of tables besides training
    and validation the target is another attribute's."""
    ended: list[float] = []
    began: list[float] = []
    table = tables["train"]
    fetches = {name: each.fetch for name, each in tables.items()}

    def first_fetch(name: str, *args: Any) -> Any:
        began.append(time.perf_counter())
        for each, fetch in fetches.items():
            tables[each].fetch = fetch  # type: ignore[method-assign]
        return fetches[name](*args)

    def note(tick: Tick) -> None:
        ended.append(time.perf_counter())

    for each in tables:
        tables[each].fetch = partial(first_fetch, each)  # type: ignore[method-assign]
    others = {name: each for name, each in tables.items() if name not in ("train", "validation")}
    secondary = {name: tuple(torch.bincount(each.target_N).tolist()) for name, each in others.items()}
    labels = Labels(table.target_N, int(table.target_N.max()) + 1, secondary=secondary)
    with tempfile.TemporaryDirectory() as folder:
        train(
            lambda: methods.build(method, lambda k: networks.build(network, shape(table), k), labels, settings, 1),
            tables,
            Plan(recipe=Recipe(), seed=0, precision=precision),
            Place(folder=folder, progress=note),
        )
    return ended[-1] - began[0]


def bare(name: str, table: Resident, precision: Precision) -> float:
    """The same epoch as one writes it by hand: the same arrays, batches, optimiser, precision and memory format."""
    network, optimiser = start(name, table)
    began = time.perf_counter()
    for rows in torch.randperm(len(table)).split(256):
        pixels = table.image_IHWC[rows]
        if table.scale_N3 is None:
            image = pixels.float().mul_(1 / 255)
        else:
            image = pixels.float() * table.scale_N3[rows][:, None, None, :]
        update(network, optimiser, image.permute(0, 3, 1, 2), table.target_N[rows], precision)
    return time.perf_counter() - began


def image_folder(name: str, folder: Path, precision: Precision) -> float:
    """The usual loop: JPEG files of the final size, decoded anew in each epoch by two worker processes."""
    table = ImageFolder(folder, transforms.ToTensor())
    network, optimiser = start(name, None)
    loader = DataLoader(table, 256, shuffle=True, num_workers=2)
    began = time.perf_counter()
    for image, target in loader:
        update(network, optimiser, image.to(memory_format=torch.channels_last), target, precision)
    return time.perf_counter() - began


def start(name: str, table: Resident | None) -> tuple[nn.Module, torch.optim.Optimizer]:
    network = networks.build(name, (3, 64, 64) if table is None else shape(table), 10).to(memory_format=torch.channels_last)
    return network, torch.optim.Adam(network.parameters(), 1e-3, fused=True)


def update(
    network: nn.Module, optimiser: torch.optim.Optimizer, image: torch.Tensor, target: torch.Tensor, precision: Precision
) -> None:
    with autocast(CPU, precision):
        loss = F.cross_entropy(network(image), target)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def shape(table: Resident) -> tuple[int, int, int]:
    _, height, width, _ = table.image_IHWC.shape
    return 3, height, width


def write_folder(folder: Path, image_NHWC: np.ndarray, target_N: np.ndarray) -> None:
    for k, (image, target) in enumerate(zip(image_NHWC, target_N, strict=True)):
        (folder / str(target)).mkdir(exist_ok=True)
        Image.fromarray(image).save(folder / str(target) / f"{k}.jpg", quality=90)


if __name__ == "__main__":
    run(Config, main)
