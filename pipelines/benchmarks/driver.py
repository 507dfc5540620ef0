"""What the driver of a zoo of 100,000 members takes: memory, and time for each shard, where shards do nothing."""

import json
import os
import tempfile
import time
from dataclasses import dataclass
from typing import Any

import psutil

from biasray import storage
from biasray.engine.cluster import connect
from biasray.engine.fan_out import fan_out
from pipelines.cli import about, run


@dataclass(frozen=True, kw_only=True)
class Config:
    """The driver's memory while as many shards are done as 100,000 members make, some five minutes."""

    shards: int = 2_222
    """Of 45 members each, as two cores make them in 45 seconds."""
    out: str = "pipelines/benchmarks/results/driver.json"
    """File of the results."""


@dataclass(frozen=True)
class Nothing:
    """A shard that takes no time."""

    def __call__(self, board: Any) -> None:
        return


def main(config: Config) -> dict[str, Any]:
    connect()
    taken, began = list[tuple[float, int]](), time.monotonic()
    process = psutil.Process(os.getpid())

    def finished(number: int) -> None:
        taken.append((time.monotonic() - began, process.memory_info().rss))

    with tempfile.TemporaryDirectory() as out:
        jobs = {k: Nothing() for k in range(config.shards)}
        failed = fan_out(jobs, {"CPU": 1.0}, 1, None, f"{out}/ray", lambda status: None, finished)
    assert not failed, failed
    tenth = len(taken) // 10
    marks = {f"{10 * k} %": round(taken[max(0, k * tenth - 1)][1] / 1e6) for k in (1, 2, 4, 6, 8, 10)}
    result = {
        "about": about([{"device": "cpu", "workers": os.cpu_count(), "threads": 1}]),
        "shards": config.shards,
        "memory of the driver, MB, after": marks,
        "milliseconds a shard": 1000 * (taken[-1][0] - taken[tenth][0]) / (len(taken) - tenth),
    }
    storage.write_json(config.out, result)
    print(json.dumps(result, indent=1))
    return result


if __name__ == "__main__":
    run(Config, main)
