"""Is a forecast right? A zoo foretold from a quarter of its members, then made."""

import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
import torch

from biasray import storage
from biasray.engine.calibrate import calibrate
from biasray.engine.zoo import make_zoo
from biasray.experiment import Compute, fast_precision
from biasray.zoo.forecast import Machines, foretell
from biasray.zoo.spec import DigitZoo
from pipelines.benchmarks.fused import noise
from pipelines.cli import about, run


@dataclass(frozen=True, kw_only=True)
class Config:
    """Foretell digit zoos on this machine from a quarter of their members, and make them; needs all of its cores."""

    members: tuple[int, ...] = (256, 512)
    """Of the zoos."""
    images: int = 6_000
    """Training images of each member, one epoch."""
    cores: int = 2
    """Of this machine."""
    out: str = "pipelines/benchmarks/results/planning.json"
    """File of the results."""


def main(config: Config) -> dict[str, Any]:
    dataset, compute = noise(config.images), Compute(device="cpu", threads=1)
    precision = fast_precision("digit-cnn", torch.device("cpu"))
    zoos = []
    for count in config.members:
        members = DigitZoo(members=count, images=config.images, epochs=(1,), batch=(128,)).expand(dataset, precision, 0)
        began = time.monotonic()
        told = foretell(calibrate(members, count // 4, dataset, compute), [count], Machines(machines=1, cores=config.cores))
        ray.shutdown()  # a zoo's own command starts Ray anew
        calibrated = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            assert not make_zoo(members, {}, dataset, f"{folder}/zoo", compute)
            took = time.monotonic() - calibrated
            kept = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
        ray.shutdown()
        zoos.append(
            {
                "members": count,
                "calibration members": count // 4,
                "calibration seconds": calibrated - began,
                "seconds": took,
                "foretold": told.expected.seconds,
                "foretold, low": told.low.seconds,
                "foretold, high": told.high.seconds,
                "foretold to measured": told.expected.seconds / took,
                "bytes": kept,
                "bytes, foretold to measured": told.expected.bytes / kept,
            }
        )
    result = {"about": about([{"device": "cpu", "workers": config.cores, "threads": 1}]), "zoos": zoos}
    storage.write_json(config.out, result)
    print(json.dumps(result, indent=1))
    return result


if __name__ == "__main__":
    run(Config, main)
