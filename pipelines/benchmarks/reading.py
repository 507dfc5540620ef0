"""Reading shuffled epochs of images: in memory, from the file on disk that stands in for it, and streamed by Ray Data."""

import json
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import ray
import torch

from biasray import storage
from biasray.contract import Stream
from biasray.data.dataset import DataSet, Images
from biasray.data.importing import slice_rows
from biasray.data.on_disk import on_disk
from biasray.engine.cluster import connect
from biasray.resident import Resident
from biasray.source import Source
from biasray.world import Alone
from pipelines.cli import about, run

BATCH = 256
BUFFER = 8192  # images among which Ray Data shuffles


@dataclass(frozen=True, kw_only=True)
class Config:
    """Images a second of one process that reads epochs in random order and makes float batches of them, no training."""

    images: int = 30_000
    """Images of noise."""
    size: int = 64
    """Pixels a side."""
    rounds: int = 3
    """Epochs of each way, in turns."""
    out: str = "pipelines/benchmarks/results/reading.json"
    """Where the figures are written."""


def main(config: Config) -> dict[str, Any]:
    torch.set_num_threads(1)
    connect()
    random = np.random.default_rng(0)
    image_NHWC = random.integers(0, 256, (config.images, config.size, config.size, 3), dtype=np.uint8)
    rates: dict[str, list[float]] = {"memory": [], "disk, nothing cached": [], "disk, cached": [], "ray data": []}
    with tempfile.TemporaryDirectory() as top:
        tempfile.tempdir = top
        dataset = on_disk(noise(image_NHWC))
        shards = write_shards(Path(top) / "shards", image_NHWC)
        file = next(Path(top).glob("*/*.images"))
        assert dataset.store is not None
        for _ in range(config.rounds):
            rates["memory"].append(rate(epoch(image_NHWC, ahead=False)))
            forget(file)
            rates["disk, nothing cached"].append(rate(epoch(on_disk(dataset).store, ahead=True)))
            rates["disk, cached"].append(rate(epoch(on_disk(dataset).store, ahead=True)))
            rates["ray data"].append(rate(streamed(shards, config.size)))
        tempfile.tempdir = None
    result = {
        "about": about([{"device": "cpu", "workers": 1, "threads": 1}]),
        "images": config.images,
        "images_per_second": rates,
    }
    storage.write_json(config.out, result)
    print(json.dumps(rates, indent=1))
    return result


def noise(image_NHWC: Images) -> DataSet:
    """A data set of these images."""
    examples = pd.DataFrame({"id": [f"{k:06d}" for k in range(len(image_NHWC))]})
    _, h, w, c = image_NHWC.shape
    return DataSet("noise", examples, (c, h, w), "", "", "noise", lambda rows: image_NHWC[rows])


def write_shards(folder: Path, image_NHWC: Images) -> list[str]:
    """Parquet files like those of an import."""
    folder.mkdir()
    n, h, w, c = image_NHWC.shape
    step = slice_rows(h, c)
    for start in range(0, n, step):
        pixels = image_NHWC[start : start + step]
        images = pa.array([image.tobytes() for image in pixels], pa.binary(h * w * c))
        pq.write_table(pa.table({"image": images}), folder / f"{start:07d}.parquet", compression="zstd", use_dictionary=False)
    return sorted(map(str, folder.iterdir()))


def epoch(store: Images | None, ahead: bool) -> Iterator[int]:
    """The sizes of our batches over one epoch in random order."""
    assert store is not None
    table = Resident(store, np.zeros(len(store), np.int64))
    source = Source("Images", table, Stream(), BATCH, Alone(), (time.time_ns(), "train"), torch.device("cpu"), ahead)
    while source.cycle < 0 or not source.ended:
        yield len(source.next().image)
    source.close()


def streamed(shards: list[str], side: int) -> Iterator[int]:
    """The same of Ray Data: shards in random order, shuffled within a buffer."""
    stream = ray.data.read_parquet(shards, shuffle="files").map_batches(partial(pixels, side=side), batch_size=None)
    for batch in stream.iter_batches(batch_size=BATCH, local_shuffle_buffer_size=BUFFER):
        yield len(torch.from_numpy(batch["image"]).float().mul_(1 / 255))


def pixels(batch: dict[str, np.ndarray], side: int) -> dict[str, np.ndarray]:
    return {"image": np.stack([np.frombuffer(image, np.uint8) for image in batch["image"]]).reshape(-1, side, side, 3)}


def rate(batches: Iterator[int]) -> float:
    """Images a second."""
    began = time.perf_counter()
    return sum(batches) / (time.perf_counter() - began)


def forget(file: Path) -> None:
    """Have the system drop what it keeps of a file in memory."""
    with open(file, "rb") as opened:
        os.fsync(opened.fileno())
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


if __name__ == "__main__":
    run(Config, main)
