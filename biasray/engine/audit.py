"""Estimating the bias of references that are left out: Ray Tune hands one fit after another to warm workers."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import ray

from biasray import storage
from biasray.audit.study import Fit, Pool, left_out
from biasray.engine.cells import Status
from biasray.engine.cluster import connect, refuse_too_much
from biasray.engine.fan_out import fan_out

THREADS = 1  # of a fit


def fit_all(
    fits: Sequence[Fit],
    pool: Pool,
    budgets: Sequence[int],
    out: str,
    told: Callable[[Status], None] = lambda status: None,
) -> dict[int, str]:
    """Make every fit whose file is not there yet; returns one sentence for each that failed, by number.

    Each leaves a Parquet table, as `audit.study.left_out` makes it, at `file(out, fit)`.
    """
    todo = {k: fit for k, fit in enumerate(fits) if not storage.exists(file(out, fit))}
    if not todo:
        return {}
    connect()
    refuse_too_much(1, {"CPU": THREADS})
    shared = ray.put(pool)
    jobs = {k: _Job(k, fit, [shared], tuple(budgets), file(out, fit)) for k, fit in todo.items()}
    return fan_out(jobs, {"CPU": THREADS}, THREADS, None, storage.join(out, "ray"), told, lambda number: None)


def file(out: str, fit: Fit) -> str:
    return storage.join(out, "fits", f"{storage.fingerprint(fit)}.parquet")


class _Job(NamedTuple):
    """A fit on its way to a worker."""

    number: int
    fit: Fit
    pool: list[Any]  # one reference, which Ray would else replace by what it refers to
    budgets: tuple[int, ...]
    file: str

    def __call__(self, board: Any) -> None:
        pool: Pool = ray.get(self.pool[0])
        storage.write(self.file, storage.parquet(left_out(self.fit, pool, self.budgets)))
        board.tell.remote(self.number, 1, 1, 0)
