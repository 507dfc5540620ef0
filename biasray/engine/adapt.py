"""Adaptations side by side through Ray Tune."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from biasray import storage
from biasray.adapting import DONE, Adaptation, Images, adapt
from biasray.data.dataset import DataSet
from biasray.engine import cluster
from biasray.engine.board import Teller
from biasray.engine.cells import Status
from biasray.engine.fan_out import fan_out
from biasray.engine.sweep import needs
from biasray.engine.work import Shared, share
from biasray.experiment import Compute


class Asked(NamedTuple):
    """One adaptation and its images."""

    adapting: Adaptation
    source: DataSet
    pool: Images
    test: Images


def adapt_all(
    asked: Sequence[Asked],
    folders: Sequence[str],
    compute: Compute,
    scratch: str,
    told: Callable[[Status], None] = lambda status: None,
) -> dict[int, str]:
    """Train every adaptation whose folder does not hold it yet; one sentence for each that failed, by number."""
    todo = [k for k, folder in enumerate(folders) if not storage.exists(storage.join(folder, DONE))]
    if not todo:
        return {}
    cluster.connect()
    each, threads = needs(compute)
    cluster.refuse_too_much(1, each)
    shared: dict[str, Shared] = {}
    for k in todo:
        for dataset in (asked[k].source, asked[k].pool.dataset, asked[k].test.dataset):
            if dataset.checksum not in shared:
                shared[dataset.checksum] = share(dataset, scratch)

    def sent(images: Images) -> "Sent":
        return Sent(shared[images.dataset.checksum], images.row_N, images.target_N)

    jobs = {
        k: Job(
            k,
            asked[k].adapting,
            folders[k],
            shared[asked[k].source.checksum],
            sent(asked[k].pool),
            sent(asked[k].test),
            "GPU" in each,
        )
        for k in todo
    }
    return fan_out(jobs, each, threads, None, scratch, told, lambda number: None)


class Sent(NamedTuple):
    """Images as they are sent to an actor."""

    shared: Shared
    row_N: NDArray[np.int64]
    target_N: NDArray[np.int64]

    def open(self) -> Images:
        return Images(self.shared.open(), self.row_N, self.target_N)


class Job(NamedTuple):
    """An adaptation as it is sent to the actor that does it."""

    number: int
    adapting: Adaptation
    folder: str
    source: Shared
    pool: Sent
    test: Sent
    gpu: bool

    def __call__(self, board: Any) -> None:
        device = torch.device("cuda" if self.gpu else "cpu")
        teller = Teller(board, self.number)
        adapt(self.adapting, self.source.open(), self.pool.open(), self.test.open(), self.folder, device, teller)
