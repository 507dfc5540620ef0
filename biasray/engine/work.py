"""A cell as it is sent to the actors that do it."""

from dataclasses import replace
from typing import Any, NamedTuple

import ray

from biasray.data.dataset import DataSet
from biasray.data.on_disk import on_disk
from biasray.experiment import Experiment

RETRIES = 3  # after a lost worker or machine


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
        """The data set with its images in shared memory, or in a file of this machine where they are too many."""
        dataset: DataSet = ray.get(self.dataset)
        return replace(dataset, store=ray.get(self.store)) if self.store else on_disk(dataset)
