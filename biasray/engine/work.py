"""A cell as it is sent to the actors that do it."""

import platform
from dataclasses import replace
from typing import Any, NamedTuple

import ray

from biasray import storage
from biasray.data.dataset import DataSet
from biasray.data.on_disk import on_disk
from biasray.experiment import Experiment

RETRIES = 3  # after a lost worker or machine
LOST = (
    f"A worker was lost {RETRIES + 1} times: its machine went away, or memory ran out; give more --threads, so that fewer "
    "trainings run side by side, or larger machines."
)
SHOWN = "seen-by-every-machine"


class Work(NamedTuple):
    number: int
    experiment: Experiment
    folder: str
    scratch: str  # folder or URI for Ray's own files
    dataset: Any  # reference to the DataSet without its store
    store: Any  # reference to all its images: one copy in the shared memory of each machine; None: on each machine's disk
    board: Any
    save_seconds: float

    def open(self) -> DataSet:
        """The data set with its images in shared memory, or in a file of this machine where they are too many.

        Raises ValueError on a machine that cannot see what the driver writes.
        """
        if not storage.exists(storage.join(self.scratch, SHOWN)):
            raise ValueError(
                f"The machine {platform.node()} does not see {storage.split(self.folder)[0]}: give --out a place that every "
                "machine reaches, such as s3://bucket/... or a shared disk."
            )
        dataset: DataSet = ray.get(self.dataset)
        return replace(dataset, store=ray.get(self.store)) if self.store else on_disk(dataset)


def show(scratch: str) -> None:
    """Leave what every machine must see before it trains."""
    storage.write(storage.join(scratch, SHOWN), b"")


def last_line(error: Exception) -> str:
    """What an error says in its last line, which in Ray's is the cause."""
    return (str(error).strip() or repr(error)).splitlines()[-1]
