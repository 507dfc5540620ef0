"""How fast images are mapped: all places at once, to one forward pass for each 64 patches in NCHW float32, same weights."""

import json
import statistics
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from biasray import networks, storage
from biasray.attribution.classifier import RegionClassifier
from biasray.attribution.reading import PATCHES, probabilities
from biasray.attribution.regions import Grid
from biasray.data.dataset import Images
from biasray.experiment import fast_precision
from biasray.process import own_memory, settle
from pipelines.cli import about, run

SIDE, CLASSES, BATCH = 64, 7, 64


@dataclass(frozen=True, kw_only=True)
class Config:
    """Time the maps of a few images both ways, in turn."""

    rounds: int = 5
    """Rounds; the ratio is taken within each."""
    images: int = 2
    """64 x 64 images of made-up noise, 45 x 45 patches of 16 pixels each."""
    networks: tuple[str, ...] = ("cnn", "resnet18")
    """Networks of the classifier."""
    device: str = "cpu"
    """cpu or cuda."""
    out: str = "pipelines/benchmarks/results/attribution.json"
    """Where the figures are written."""


def main(config: Config) -> dict[str, Any]:
    settle(1)
    device = torch.device(config.device)
    image_NHWC = np.random.default_rng(0).integers(0, 256, (config.images, SIDE, SIDE, 3), dtype=np.uint8)
    result: dict[str, Any] = {
        "about": about([{"device": config.device, "workers": 1, "threads": 1}]),
        "patches at a time": PATCHES,
    }
    for name in config.networks:
        grid, precision = Grid(side=SIDE, patch=SIDE // 4), fast_precision(name, device)
        plain = RegionClassifier(networks.build(name, (4, grid.patch, grid.patch), CLASSES), grid, 0.1, 1).eval().to(device)
        fast = RegionClassifier(networks.build(name, (4, grid.patch, grid.patch), CLASSES), grid, 0.1, 1).eval().to(device)
        fast.load_state_dict(plain.state_dict())
        fast.to(memory_format=torch.channels_last)
        seconds: dict[str, list[float]] = {"patch by patch": [], "all places": []}
        for _ in range(config.rounds + 1):
            began = time.perf_counter()
            one_by_one = literal(plain, image_NHWC, device)
            between = time.perf_counter()
            together = np.stack(list(probabilities(fast, image_NHWC, device, precision)))
            seconds["patch by patch"].append(between - began)
            seconds["all places"].append(time.perf_counter() - between)
        # the first round warms up
        ratios = [a / b for a, b in zip(seconds["patch by patch"][1:], seconds["all places"][1:], strict=True)]
        result[name] = {
            "precision": precision,
            "images a second": statistics.median(config.images / s for s in seconds["all places"][1:]),
            "to patch by patch": {"median": statistics.median(ratios), "low": min(ratios), "high": max(ratios)},
            "largest difference of a probability": float(np.abs(together - one_by_one).max()),
            "memory": own_memory(),
        }
    storage.write_json(config.out, result)
    print(json.dumps(result, indent=1))
    return result


@torch.no_grad()
def literal(classifier: RegionClassifier, image_NHWC: Images, device: torch.device) -> NDArray[np.float32]:
    """(N, P, K) probabilities, patches in batches of 64, as they come."""
    image_NCHW, out = torch.from_numpy(image_NHWC).permute(0, 3, 1, 2).contiguous().to(device) / 255, []
    k = classifier.grid.patch
    for image_CHW in image_NCHW:
        parts = []
        for places in torch.arange(classifier.grid.places).split(BATCH):
            patches = []
            for place in places.tolist():
                row, column = classifier.grid.corners[place].tolist()
                where_1kk = classifier.where.weight[place].view(1, k, k)
                patches.append(torch.cat([image_CHW[:, row : row + k, column : column + k], where_1kk]))
            parts.append(classifier.network(torch.stack(patches)).softmax(1))
        out.append(torch.cat(parts).cpu().numpy())
    return np.stack(out)


if __name__ == "__main__":
    run(Config, main)
