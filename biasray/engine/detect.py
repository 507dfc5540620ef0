"""Trying detectors on a zoo: Ray Tune hands one fit after another to warm workers, which keep the zoo's weights."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import pandas as pd
from torch import Tensor

from biasray import storage
from biasray.engine.cells import Status
from biasray.engine.cluster import connect, refuse_too_much
from biasray.engine.fan_out import fan_out
from biasray.weights.study import Fold, Parts, Reading, read
from biasray.zoo import store

THREADS = 1  # of a fit: one a core is faster than a few for each


def read_all(
    readings: Sequence[Reading],
    folds: Parts,
    zoo: str,
    out: str,
    told: Callable[[Status], None] = lambda status: None,
) -> dict[int, str]:
    """Fit every detector whose file is not there yet; returns one sentence for each that failed, by number.

    `folds` by split and number. Each leaves a Parquet table, as `weights.study.read` makes it, at `file(out, reading)`.
    """
    jobs = {
        k: _Job(k, reading, folds[reading.split, reading.fold], zoo, file(out, reading))
        for k, reading in enumerate(readings)
        if not storage.exists(file(out, reading))
    }
    if not jobs:
        return {}
    connect()
    refuse_too_much(1, {"CPU": THREADS})
    return fan_out(jobs, {"CPU": THREADS}, THREADS, None, storage.join(out, "ray"), told, lambda number: None)


def file(out: str, reading: Reading) -> str:
    return storage.join(out, "readings", f"{storage.fingerprint(vars(reading))}.parquet")


class _Job(NamedTuple):
    """A fit on its way to a worker."""

    number: int
    reading: Reading
    fold: Fold
    zoo: str
    file: str

    def __call__(self, board: Any) -> None:
        index, weight_MP, layout = opened(self.zoo)
        table = read(self.reading, self.fold, weight_MP, index, layout)
        storage.write(self.file, storage.parquet(table))
        board.tell.remote(self.number, 1, 1, 0)


@lru_cache(1)
def opened(folder: str) -> tuple[pd.DataFrame, Tensor, Any]:
    """A zoo's members whose loss was finite, their weights (M, P), and where these lie.

    Raises ValueError for a zoo of several networks.
    """
    zoo = store.Zoo(folder)
    index = zoo.index[zoo.index["finite"]].reset_index(drop=True)
    return index, zoo.weights(index["id"].tolist()), zoo.layout(index["network"].iloc[0])
