"""Trying detectors on a zoo: Ray Tune hands one fit after another to warm workers, which keep the zoo's weights."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import lru_cache
from math import ceil
from typing import Any, NamedTuple

from biasray import storage
from biasray.engine.cells import Status
from biasray.engine.cluster import connect, joined, room
from biasray.engine.fan_out import fan_out
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
    todo = defaultdict[int, dict[int, _Job]](dict)  # by the memory that a fit takes, GiB
    for k, reading in enumerate(readings):
        fold, second = folds[reading.split, reading.fold], other if reading.split == "adapted" else None
        if not storage.exists(place := file(out, reading, fold)):
            takes = memory(reading, [opened(folder) for folder in (zoo, second) if folder])
            todo[ceil(takes / GIB)][k] = _Job(k, reading, fold, zoo, second, place)
    if todo:
        connect()
    failed, before = dict[int, str](), 0
    for gib, jobs in sorted(todo.items()):
        each = {"CPU": THREADS, "memory": gib * GIB}
        if not room(each) and not joined():  # another cluster may grow
            said = f"A fit takes {gib} GiB of memory, which this machine has not to spare: free some, or join a larger cluster."
            failed |= dict.fromkeys(jobs, said)
            continue
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
    zoo: str
    other: str | None
    file: str

    def __call__(self, board: Any) -> None:
        first = opened(self.zoo)
        table = read(self.reading, self.fold, opened(self.other), first) if self.other else read(self.reading, self.fold, first)
        storage.write(self.file, storage.parquet(table))
        board.tell.remote(self.number, 1, 1, 0)


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
