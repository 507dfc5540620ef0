"""What start models say of pools, and adaptations, side by side through Ray Tune."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from biasray import storage
from biasray.adapting import DONE, Adaptation, Images, adapt
from biasray.data.dataset import DataSet
from biasray.engine.board import Teller
from biasray.engine.cells import Status
from biasray.engine.missing import Share, do_missing
from biasray.engine.notice import Notice
from biasray.engine.work import Shared
from biasray.experiment import Compute
from biasray.foreseeing import LOOKED, Look, look


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

    def job(k: int, share: Share, gpu: bool) -> "Job":
        one = asked[k]
        pool, test = (Sent(share(of.dataset), of.row_N, of.target_N) for of in (one.pool, one.test))
        return Job(k, one.adapting, folders[k], share(one.source), pool, test, gpu)

    return do_missing([storage.join(folder, DONE) for folder in folders], job, compute, scratch, told)


def look_all(
    looks: Sequence[Look],
    sources: Sequence[DataSet],
    unlabelled: DataSet,
    pools: Mapping[str, NDArray[np.int64]],
    folders: Sequence[str],
    compute: Compute,
    scratch: str,
) -> dict[int, str]:
    """Ask every start model about all pools and its validation images; one sentence for each that failed, by number."""

    def job(k: int, share: Share, gpu: bool) -> "Glance":
        return Glance(k, looks[k], share(sources[k]), share(unlabelled), pools, folders[k], gpu)

    return do_missing([storage.join(folder, LOOKED) for folder in folders], job, compute, scratch)


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
        images = (self.source.open(), self.pool.open(), self.test.open())
        adapt(self.adapting, *images, self.folder, device, Teller(board, self.number), leaving=Notice())


class Glance(NamedTuple):
    """A start model to be asked, as it is sent to the actor that does it."""

    number: int
    look: Look
    source: Shared
    unlabelled: Shared
    pools: Mapping[str, NDArray[np.int64]]
    folder: str
    gpu: bool

    def __call__(self, board: Any) -> None:
        device = torch.device("cuda" if self.gpu else "cpu")
        look(self.look, self.source.open(), self.unlabelled.open(), self.pools, self.folder, device)
