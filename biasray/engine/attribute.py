"""Region classifiers side by side through Ray Tune, and what they say of every image of a data set, through Ray Data.

Axes: R row of a data set, A place along one side, S bin of confidence.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import ray
import torch
from numpy.typing import NDArray
from ray.exceptions import RayError

from biasray import storage
from biasray.attributing import DONE, Learning, Reader, learn
from biasray.attribution.confidence import Confidence
from biasray.attribution.reading import Read
from biasray.data.dataset import DataSet
from biasray.engine.board import Teller
from biasray.engine.cells import Status
from biasray.engine.ingest import connect_quietly
from biasray.engine.missing import Share, do_missing
from biasray.engine.sweep import needs
from biasray.engine.work import Shared, last_line, share
from biasray.experiment import Compute
from biasray.metrics.calibration import Reliability
from biasray.process import settle

SLICE = 64  # images of a file of maps


def learn_all(
    learnings: Sequence[Learning],
    dataset: DataSet,
    folders: Sequence[str],
    compute: Compute,
    scratch: str,
    told: Callable[[Status], None] = lambda status: None,
) -> dict[int, str]:
    """Train every region classifier whose folder does not hold it yet; one sentence for each that failed, by number."""

    def job(k: int, share: Share, gpu: bool) -> Lesson:
        return Lesson(k, learnings[k], folders[k], share(dataset), gpu)

    return do_missing([storage.join(folder, DONE) for folder in folders], job, compute, scratch, told)


class Lesson(NamedTuple):
    """A training as it is sent to the actor that does it."""

    number: int
    learning: Learning
    folder: str
    shared: Shared
    gpu: bool

    def __call__(self, board: Any) -> None:
        device = torch.device("cuda" if self.gpu else "cpu")
        learn(self.learning, self.shared.open(), self.folder, device, Teller(board, self.number))


def read_all(
    learning: Learning,
    folder: str,
    dataset: DataSet,
    row_R: NDArray[np.int64],
    confidence: Confidence,
    compute: Compute,
    scratch: str,
    told: Callable[[int], None] = lambda images: None,
) -> Read:
    """What the region classifier in `folder` says of these rows of a data set, in their order.

    Kept below `folder` by what determines it, a file for each `SLICE` images: what is there already is not read again. Ray Data
    hands slices to workers, one a GPU or CPU. Raises ValueError where workers are lost.
    """
    place = storage.join(folder, "maps", storage.fingerprint([dataset.checksum, confidence, row_R.tolist()]))
    slices = {k: row_R[start : start + SLICE] for k, start in enumerate(range(0, len(row_R), SLICE))}
    files = {k: storage.join(place, f"{k:05d}.parquet") for k in slices}
    todo = [k for k, file in files.items() if not storage.exists(file)]
    told(sum(len(slices[k]) for k in set(files) - set(todo)))
    if todo:
        connect_quietly()
        each, threads = needs(compute)
        shared = share(dataset, scratch)
        device = "cuda" if "GPU" in each else "cpu"

        def ask(item: dict[str, Any]) -> dict[str, int]:
            row_R, dataset = np.asarray(item["rows"], np.int64), shared.open()
            settle(threads)
            code_R = learning.values.codes(dataset.examples.iloc[row_R])
            found = _reader(learning, folder, device).read(dataset.take(row_R), code_R, confidence)
            columns = {"region": found.region_NAA.reshape(len(row_R), -1), **found.sure._asdict()}
            table = pd.DataFrame({name: list(value) for name, value in columns.items()})
            storage.write(item["file"], storage.parquet(table))
            return {"images": len(row_R)}

        items = [{"rows": slices[k].tolist(), "file": files[k]} for k in todo]
        resources: dict[str, Any] = {"num_gpus": each["GPU"]} if "GPU" in each else {"num_cpus": each["CPU"]}
        asked = ray.data.from_items(items, override_num_blocks=len(items)).map(ask, **resources)
        try:
            for done in asked.iter_rows():
                told(int(done["images"]))
        except RayError as error:
            raise ValueError(
                f"The workers that read the images were lost ({last_line(error)}); the same command reads the rest."
            ) from error
        storage.delete_folder(scratch)
    return _together([storage.read_table(file) for file in files.values()], learning.grid.across)


@lru_cache(1)
def _reader(learning: Learning, folder: str, device: str) -> Reader:
    """Kept by a worker from slice to slice."""
    return Reader(learning, folder, torch.device(device))


def _together(tables: Sequence[pd.DataFrame], across: int) -> Read:
    whole = pd.concat(tables)
    region_NAA = np.stack(whole["region"].to_list()).reshape(-1, across, across)
    return Read(region_NAA, Reliability(*(np.stack(whole[name].to_list()) for name in Reliability._fields)))
