"""What is sent to actors, and what is said when they are lost."""

import platform
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import ray

from biasray import storage
from biasray.data.dataset import DataSet
from biasray.data.on_disk import on_disk
from biasray.engine.cluster import fits, shared_memory

RETRIES = 3  # after a lost worker or machine
LOST = (
    f"A worker was lost {RETRIES + 1} times: its machine went away, or memory ran out; give more --threads, so that fewer "
    "trainings run side by side, or larger machines."
)
FULL = (
    "The memory of a machine was full, so a worker was ended, and with it what ran beside it: let less run at a time, or take "
    "a larger machine. What is done stays; the same command goes on."
)
SHOWN = "seen-by-every-machine"


class Shared(NamedTuple):
    """A data set as it is sent to actors."""

    scratch: str  # folder or URI for Ray's own files
    dataset: Any  # reference to the DataSet without its store
    store: Any  # reference to all its images: one copy in the shared memory of each machine; None: on each machine's disk

    def open(self) -> DataSet:
        """The data set with its images in shared memory, or in a file of this machine where they are too many.

        Raises ValueError on a machine that cannot see what the driver writes.
        """
        if not storage.exists(storage.join(self.scratch, SHOWN)):
            raise ValueError(
                f"The machine {platform.node()} does not see {storage.split(self.scratch)[0]}: give --out a place that every "
                "machine reaches, such as s3://bucket/... or a shared disk."
            )
        dataset: DataSet = ray.get(self.dataset)
        return on_disk(dataset) if self.store is None else replace(dataset, store=ray.get(self.store))


def share(dataset: DataSet, scratch: str) -> Shared:
    """Put a data set where every actor can open it, and leave in `scratch` what each of their machines must see."""
    storage.write(storage.join(scratch, SHOWN), b"")
    images = ray.put(dataset.take(np.arange(len(dataset.examples)))) if fits(dataset, shared_memory()) else None
    return Shared(scratch, ray.put(replace(dataset, store=None)), images)


def last_line(error: Exception) -> str:
    """What an error says in its last line, which in Ray's is the cause."""
    return (str(error).strip() or repr(error)).splitlines()[-1]
