"""Reading the level from the weights of thousands of models: time of each detector, and memory of all processes together."""

import json
import tempfile
import threading
import time
from dataclasses import dataclass

import numpy as np
import pandas as pd
import psutil

from biasray import storage
from biasray.engine.cluster import connect
from biasray.engine.detect import file, opened, read_all
from biasray.weights import detectors
from biasray.weights.neural import Neural
from biasray.weights.study import Parts, Reading, folds
from pipelines.benchmarks.drawn_zoo import draw
from pipelines.cli import about, run

LEVELS = 4
EACH = 200  # models of a shard


@dataclass(frozen=True, kw_only=True)
class Config:
    """All detectors that are not neural, five folds of a group split each, on models whose weights are drawn."""

    members: int = 4_000
    """Models of 49,562 weights."""
    out: str = "pipelines/benchmarks/results/detect.json"
    """File of the results."""


def main(config: Config) -> None:
    connect()
    with tempfile.TemporaryDirectory() as top:
        zoo, out = f"{top}/zoo", f"{top}/out"
        place_M = np.arange(config.members)
        about_M = pd.DataFrame({"level": place_M % LEVELS, "init": place_M})
        draw(zoo, "digit-cnn", (3, 28, 28), 10, about_M, EACH)
        index, layout = opened(zoo).index, opened(zoo).layout
        parts: Parts = {("group", k): fold for k, fold in enumerate(folds(index, "group", 0))}
        names = [name for name in detectors.found() if not isinstance(detectors.known(name)(layout, 0), Neural)]
        readings = [Reading(name, "all", "none", *part, 0) for name in names for part in parts]
        with Watch() as watch:
            began = time.monotonic()
            failed = read_all(readings, parts, zoo, None, out)
            wall = time.monotonic() - began
        assert not failed, failed
        seconds = [storage.read_table(file(out, r, parts[r.split, r.fold]))["seconds"].iloc[0] for r in readings]
    result = {
        "about": about([{"device": "cpu", "workers": 1, "threads": 1}]),
        "members": config.members,
        "fits": len(readings),
        "wall seconds": wall,
        "peak memory, GiB": watch.peak / 2**30,
        "seconds a fit": pd.Series(seconds).groupby([r.detector for r in readings], sort=False).mean().to_dict(),
    }
    storage.write_json(config.out, result)
    print(json.dumps(result, indent=1))


class Watch:
    """The most memory of this process and all that it started, what they share counted once, looked at every second."""

    def __enter__(self) -> "Watch":
        self.peak, self._ended = 0, threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(1):
            self.peak = max(self.peak, sum(map(share, [psutil.Process(), *psutil.Process().children(recursive=True)])))


def share(process: psutil.Process) -> int:
    """Bytes of a process, of what several hold in common its part; 0 where it has just ended."""
    try:
        return int(process.memory_full_info().pss)
    except psutil.NoSuchProcess:
        return 0


if __name__ == "__main__":
    run(Config, main)
