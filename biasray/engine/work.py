"""A cell as it is sent to the actors that do it."""

from dataclasses import replace
from typing import Any, NamedTuple

from biasray.data.dataset import DataSet
from biasray.engine.cluster import ray
from biasray.experiment import Experiment

RETRIES = 3  # after a lost worker or machine


class Work(NamedTuple):
    number: int
    experiment: Experiment
    folder: str
    scratch: str  # folder or URI for Ray's own files
    dataset: Any  # reference to the DataSet without its store
    store: Any  # reference to all its images: one copy in the shared memory of each machine
    board: Any
    save_seconds: float

    def open(self) -> DataSet:
        """The data set with its images in shared memory."""
        return replace(ray.get(self.dataset), store=ray.get(self.store))
