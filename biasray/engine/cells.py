"""All cells of a comparison: side by side on Ray, or the only one right here."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from biasray import cell, storage
from biasray.data.dataset import DataSet
from biasray.data.on_disk import on_disk
from biasray.engine.cluster import fits, joined, memory
from biasray.experiment import Compute, Experiment
from biasray.loop import Tick


class Status(NamedTuple):
    """How far the cells are that had to be run."""

    cells: int
    finished: int
    failed: int
    done: float  # epochs
    total: float
    images: int  # trained on since this start


def run_cells(
    cells: Sequence[Experiment],
    dataset: DataSet | Sequence[DataSet],
    folders: Sequence[str],
    compute: Compute,
    scratch: str,
    told: Callable[[Status], None] = lambda status: None,
    finished: Callable[[int], None] = lambda number: None,
    save_seconds: float = 30.0,
) -> dict[int, str]:
    """Run every cell whose folder does not hold its result yet; returns one sentence for each that failed, by number.

    All are of one data set, or each of its own. A single cell with one worker runs in this process, without Ray's fixed cost,
    unless a cluster was joined; all else goes through `engine.sweep`, which keeps Ray's own files in the folder `scratch`
    meanwhile. `told` is called about once a second, `finished` with the number of each cell that has its result, both in this
    process.
    Raises ValueError, before anything is trained, for more workers than this machine can give.
    """
    todo = {k: e for k, e in enumerate(cells) if not storage.exists(storage.join(folders[k], cell.DONE))}
    for k in range(len(cells)):
        if k not in todo:
            finished(k)
    if not todo:
        return {}
    datasets = [dataset] * len(cells) if isinstance(dataset, DataSet) else dataset
    if len(cells) > 1 or compute.workers > 1 or joined():
        from biasray.engine.sweep import sweep  # imports Ray Tune, which takes seconds

        return sweep(todo, datasets, folders, compute, scratch, told, finished, save_seconds)
    images = 0

    def tick(tick: Tick) -> None:
        nonlocal images
        images += tick.images
        told(Status(1, 0, 0, tick.done, tick.total, images))

    (only,) = datasets
    if not fits(only, memory() / 2):  # the other half is for all else
        only = on_disk(only)
    device = compute.start()
    try:
        cell.run(cells[0], only, folders[0], device, tick, save_seconds)
    except ValueError as error:
        return {0: str(error)}
    finished(0)
    return {}
