"""Many cells at once: Ray Tune hands them to warm actors, as many as the cluster has room for.

A cell leaves done.json in its folder, so a sweep that is run again does only what is missing: Tune's own
restore would do finished trials again. Neither a cell that fails nor a machine that is lost stops the others.
"""

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, final

os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")  # Tune's own would end the sweep as if all were done
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")  # with verbose=0 the old output is silent, the new one is not

import numpy as np
import ray
import torch
from ray import tune
from ray.exceptions import OutOfMemoryError, RayActorError
from ray.tune import Callback, FailureConfig, RunConfig, TuneConfig

from biasray import cell, storage
from biasray.data.dataset import DataSet
from biasray.engine.board import SECONDS, Board, Seen, Teller
from biasray.engine.cells import Status
from biasray.engine.cluster import connect, device, fits, joined, refuse_too_much, shared_memory
from biasray.engine.work import LOST, RETRIES, Work, last_line, show
from biasray.experiment import Compute, Experiment

# A little of what the head alone has: whatever must outlive spot machines asks for it.
HEAD = {"node:__internal_head__": 0.001}

# A lost worker is made up for, and what fails for good is told in one sentence.
logging.getLogger("ray.tune").setLevel(logging.CRITICAL)


def sweep(
    cells: Mapping[int, Experiment],
    dataset: DataSet,
    folders: Sequence[str],
    compute: Compute,
    scratch: str,
    told: Callable[[Status], None],
    finished: Callable[[int], None],
    save_seconds: float,
) -> dict[int, str]:
    """Run these cells; see `engine.cells.run_cells`."""
    connect()
    gpu = device(compute).type == "cuda"
    threads = compute.threads or 1
    each = {"CPU": float(threads), **({"GPU": 1.0} if gpu else {})}
    refuse_too_much(compute.workers if compute.min_workers is None else compute.min_workers, each)
    show(scratch)
    board = Board.options(resources=HEAD).remote()  # type: ignore[attr-defined]
    images = ray.put(dataset.images(np.arange(len(dataset.examples)))) if fits(dataset, shared_memory()) else None
    shared = ray.put(replace(dataset, store=None)), images
    work = {k: Work(k, cells[k], folders[k], scratch, *shared, board, save_seconds) for k in cells}
    alone = compute.workers == 1
    # Ray Train takes the CPUs and GPUs of its workers itself; what it is controlled by stays where the driver is.
    trainable = tune.with_resources(Cell, tune.PlacementGroupFactory([each if alone else HEAD]))
    watch = _Watch(len(cells), board, told, finished)
    tuner = tune.Tuner(
        tune.with_parameters(trainable, work=work, compute=compute, gpu=gpu),
        param_space={"cell": tune.grid_search(list(cells))},
        tune_config=TuneConfig(reuse_actors=True, max_concurrent_trials=_room(compute, each)),
        run_config=RunConfig(
            name="sweep",
            storage_filesystem=storage.locate(scratch)[0],
            storage_path=storage.locate(scratch)[1],
            failure_config=FailureConfig(max_failures=RETRIES),
            callbacks=[watch],
            verbose=0,
        ),
    )
    results: Any = tuner.fit()
    ray.kill(board)  # Tune keeps a reference to it
    storage.delete_folder(scratch)
    return {r.config["cell"]: sentence for r in results if (sentence := _sentence(r))}


def _room(compute: Compute, each: dict[str, float]) -> int | None:
    """Cells at once: what Ray finds room for, but of those that Ray Train shares out no more than can all start.

    A joined cluster may grow, so there it is a few at least.
    """
    if compute.workers == 1:
        return None
    held = ray.cluster_resources()
    room = min(int(held.get(kind, 0) // (amount * compute.workers)) for kind, amount in each.items())
    return max(4 if joined() else 1, room)


def _sentence(result: Any) -> str:
    if isinstance(result.error, RayActorError | OutOfMemoryError):
        return LOST
    if result.error:
        return last_line(result.error)
    return str(result.metrics.get("failure", ""))


@final
class Cell(tune.Trainable):
    """A warm actor that trains one cell after another."""

    def setup(self, config: dict[str, Any], work: dict[int, Work], compute: Compute, gpu: bool) -> None:  # type: ignore[override]
        self.work, self.compute, self.gpu = work, compute, gpu
        self.threads = compute.threads or 1
        torch.set_num_threads(self.threads)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        return True  # Tune has put it into self.config

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: the loop keeps its own checkpoint in the cell's folder."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing: the loop goes on from its own."""

    def step(self) -> dict[str, Any]:
        mine = self.work[self.config["cell"]]
        try:
            if self.compute.workers > 1:
                from biasray.engine.train import train  # takes seconds, which one worker need not spend

                fewest = self.compute.min_workers or self.compute.workers
                train(mine, self.compute.workers, fewest, self.threads, self.gpu)
            else:
                device = torch.device("cuda" if self.gpu else "cpu")
                progress = Teller(mine.board, mine.number)
                cell.run(mine.experiment, mine.open(), mine.folder, device, progress, mine.save_seconds)
        except ValueError as error:
            return {"failure": str(error), "done": True}
        return {"done": True}


@final
class _Watch(Callback):
    """Tells, from Tune's own loop, how far the cells are."""

    def __init__(self, cells: int, board: Any, told: Callable[[Status], None], finished: Callable[[int], None]) -> None:
        self.cells, self.board, self.told, self.finished = cells, board, told, finished
        self.ended, self.failed, self.looked = 0, 0, 0.0

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune saves its callbacks for a restore that we never ask for, and a terminal cannot be saved."""
        return {}

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        if time.monotonic() - self.looked < SECONDS:
            return
        self.looked = time.monotonic()
        seen: dict[int, Seen] = ray.get(self.board.read.remote())
        # Cells that have not told yet count as long as the mean of those that have.
        known = [s.total for s in seen.values()]
        total = sum(known) / max(len(known), 1) * self.cells
        done, images = sum(s.done for s in seen.values()), sum(s.images for s in seen.values())
        self.told(Status(self.cells, self.ended, self.failed, done, total, images))

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        failed = bool(trial.last_result and trial.last_result.get("failure"))
        self.ended, self.failed = self.ended + (not failed), self.failed + failed
        if not failed:
            self.finished(trial.config["cell"])

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.failed += 1
