"""Trying detectors on a zoo: Ray Tune hands one fit after another to warm workers, which share the zoo's weights."""

import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import lru_cache
from math import ceil
from typing import Any, NamedTuple

import pandas as pd
import ray
import torch
from numpy.typing import NDArray

from biasray import storage
from biasray.engine.cells import Status
from biasray.engine.cluster import connect, joined, room
from biasray.engine.fan_out import fan_out
from biasray.networks.layout import Layout
from biasray.weights.study import RESULTS, Fold, Models, Parts, Reading, memory, read
from biasray.zoo import store

THREADS = 1  # of a fit: one a core is faster than a few for each
GIB = 2**30


def read_all(
    readings: Sequence[Reading],
    folds: Parts,
    zoo: str,
    other: str | None,
    out: str,
    told: Callable[[Status], None] = lambda status: None,
) -> dict[int, str]:
    """Fit every detector whose file is not there yet; returns one sentence for each that failed, by number.

    `folds` by split and number; the split 'adapted' is of the zoo `other`, where there is one. Each fit leaves a Parquet
    table, as `weights.study.read` makes it, at `file(out, reading, fold)`.
    """
    todo = defaultdict[int, list[int]](list)  # by the memory that a fit takes, GiB
    for k, reading in enumerate(readings):
        if not storage.exists(file(out, reading, folds[reading.split, reading.fold])):
            zoos = [zoo, other] if other and reading.split == "adapted" else [zoo]
            todo[ceil(memory(reading, [opened(folder) for folder in zoos]) / GIB)].append(k)
    if not todo:
        return {}
    connect()
    adapted = any(readings[k].split == "adapted" for mine in todo.values() for k in mine)
    first, second = _put(zoo), _put(other) if other and adapted else None
    opened.cache_clear()  # what is shared now need not be held twice
    failed, before = dict[int, str](), 0
    for gib, mine in sorted(todo.items()):
        each = {"CPU": THREADS, "memory": gib * GIB}
        if not room(each) and not joined():  # another cluster may grow
            said = f"A fit takes {gib} GiB of memory, which this machine has not to spare: free some, or join a larger cluster."
            failed |= dict.fromkeys(mine, said)
            continue
        jobs = dict[int, _Job]()
        for k in mine:
            reading, fold = readings[k], folds[readings[k].split, readings[k].fold]
            jobs[k] = _Job(k, reading, fold, first, second if reading.split == "adapted" else None, file(out, reading, fold))
        later = _after(before, sum(map(len, todo.values())), len(failed), told)
        failed |= fan_out(jobs, each, THREADS, None, storage.join(out, "ray"), later, lambda number: None)
        before += len(jobs)
    return failed


def _after(before: int, fits: int, failed: int, told: Callable[[Status], None]) -> Callable[[Status], None]:
    """Tells of some jobs as a part of all fits, so many of which were tried before."""

    def tell(s: Status) -> None:
        told(Status(fits, s.finished + before - failed, s.failed + failed, s.done + before - failed, fits, s.images))

    return tell


def named(reading: Reading, fold: Fold) -> str:
    """After all that determines what is read, the zoo apart."""
    return storage.fingerprint([RESULTS, vars(reading), [None if part is None else part.tolist() for part in fold]])


def file(out: str, reading: Reading, fold: Fold) -> str:
    return storage.join(out, "readings", f"{named(reading, fold)}.parquet")


class _Job(NamedTuple):
    """A fit on its way to a worker."""

    number: int
    reading: Reading
    fold: Fold
    zoo: Any  # reference to _Shared
    other: Any
    file: str

    def __call__(self, board: Any) -> None:
        first: Models = ray.get(self.zoo).models()
        table = read(self.reading, self.fold, ray.get(self.other).models() if self.other else first, first)
        storage.write(self.file, storage.parquet(table))
        board.tell.remote(self.number, 1, 1, 0)


class _Shared(NamedTuple):
    """Models in the shared memory of a machine, where all fits read the same copy; what does not fit there Ray puts on disk."""

    index: pd.DataFrame
    weight_MP: NDArray[Any]
    layout: Layout

    def models(self) -> Models:
        with warnings.catch_warnings(action="ignore"):  # what is shared is read-only, and a fit only reads
            return Models(self.index, torch.from_numpy(self.weight_MP), self.layout)


def _put(folder: str) -> Any:
    index, weight_MP, layout = opened(folder)
    return ray.put(_Shared(index, weight_MP.numpy(), layout))


@lru_cache(2)
def opened(folder: str) -> Models:
    """A zoo's members whose loss was finite, their weights (M, P), and where these lie.

    Raises ValueError for a zoo of several networks, and for one in which no loss was finite.
    """
    zoo = store.Zoo(folder)
    if len(several := zoo.index["network"].unique()) > 1:
        raise ValueError(f"{folder} holds models of several networks ({', '.join(several)}); detectors read those of one.")
    index = zoo.index[zoo.index["finite"]].reset_index(drop=True)
    if index.empty:
        raise ValueError(f"No member of {folder} ended with finite weights, so there is nothing to read.")
    return Models(index, zoo.weights(index["id"].tolist()), zoo.layout(index["network"].iloc[0]))
