"""All cells of a comparison, side by side on Ray."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import ray
import torch

from biasray import cell
from biasray.data.dataset import DataSet
from biasray.engine.board import Teller
from biasray.engine.cells import Status
from biasray.engine.cluster import connect, device, joined, refuse_too_much
from biasray.engine.fan_out import HEAD, fan_out
from biasray.engine.notice import Notice
from biasray.engine.work import Shared, share
from biasray.experiment import Compute, Experiment


def sweep(
    cells: Mapping[int, Experiment],
    datasets: Sequence[DataSet],
    folders: Sequence[str],
    compute: Compute,
    scratch: str,
    told: Callable[[Status], None],
    finished: Callable[[int], None],
    save_seconds: float,
) -> dict[int, str]:
    """Run these cells; see `engine.cells.run_cells`."""
    connect()
    each, threads = needs(compute)
    refuse_too_much(compute.workers if compute.min_workers is None else compute.min_workers, each)
    shared = {id(dataset): share(dataset, scratch) for dataset in {id(datasets[k]): datasets[k] for k in cells}.values()}
    jobs = {k: Work(k, cells[k], folders[k], shared[id(datasets[k])], compute, "GPU" in each, save_seconds) for k in cells}
    # Ray Train takes the CPUs and GPUs of its workers itself; what it is controlled by stays where the driver is.
    resources = each if compute.workers == 1 else HEAD
    return fan_out(jobs, resources, threads, _room(compute, each), scratch, told, finished)


def needs(compute: Compute) -> tuple[dict[str, float], int]:
    """Resources and torch threads of a worker."""
    threads = compute.threads or 1
    return {"CPU": float(threads), **({"GPU": compute.gpu_share} if device(compute).type == "cuda" else {})}, threads


def _room(compute: Compute, each: dict[str, float]) -> int | None:
    """Cells at once: what Ray finds room for, but of those that Ray Train shares out no more than can all start.

    A joined cluster may grow, so there it is a few at least.
    """
    if compute.workers == 1:
        return None
    held = ray.cluster_resources()
    room = min(int(held.get(kind, 0) // (amount * compute.workers)) for kind, amount in each.items())
    return max(4 if joined() else 1, room)


class Work(NamedTuple):
    """A cell as it is sent to the actors that do it."""

    number: int
    experiment: Experiment
    folder: str
    shared: Shared
    compute: Compute
    gpu: bool
    save_seconds: float

    def __call__(self, board: Any) -> None:
        progress = Teller(board, self.number)
        if self.compute.workers == 1:
            device = torch.device("cuda" if self.gpu else "cpu")
            dataset, notice = self.shared.open(), Notice()
            cell.run(self.experiment, dataset, self.folder, device, progress, self.save_seconds, leaving=notice)
        else:
            from biasray.engine.train import train  # takes seconds, which one worker need not spend

            train(self, progress)
