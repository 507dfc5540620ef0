"""Many jobs at once: Ray Tune hands them to warm actors, as many as the cluster has room for.

Each job leaves its own done-marker, so what is run again does only what is missing: Tune's own restore would do finished
trials again. Neither a job that fails nor a machine that is lost stops the others.
"""

import logging
import os
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol, final

os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")  # Tune's own would end the run as if all were done
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")  # with verbose=0 the old output is silent, the new one is not

import ray
from ray import tune
from ray.exceptions import OutOfMemoryError, RayActorError
from ray.tune import Callback, FailureConfig, RunConfig, TuneConfig

from biasray import storage
from biasray.engine.board import SECONDS, Board, Seen
from biasray.engine.cells import Status
from biasray.engine.work import FULL, LOST, RETRIES, last_line
from biasray.process import settle

# A little of what the head alone has: whatever must outlive spot machines asks for it.
HEAD = {"node:__internal_head__": 0.001}

# A lost worker is made up for, and what fails for good is told in one sentence.
logging.getLogger("ray.tune").setLevel(logging.CRITICAL)


class Job(Protocol):
    """Something to be done on a worker."""

    def __call__(self, board: Any) -> None:
        """Do it, telling the board how far it is; raises ValueError with one sentence where it cannot be done."""


def fan_out(
    jobs: Mapping[int, Job],
    each: Mapping[str, float],
    threads: int,
    at_once: int | None,
    scratch: str,
    told: Callable[[Status], None],
    finished: Callable[[int], None],
    total: float | None = None,
) -> dict[int, str]:
    """Do all jobs, each with these resources and torch threads; returns one sentence for each that failed, by number.

    `at_once` jobs at most, or as many as Ray finds room for. Ray's own files are kept in the folder `scratch` meanwhile.
    `total` is what the jobs come to in the unit in which they tell how far they are; where it is not known, those that
    have not begun are taken to be like those that have.
    """
    board = Board.options(resources=HEAD).remote()  # type: ignore[attr-defined]
    results = fit(
        Worker,
        {"jobs": dict(jobs), "board": board, "threads": threads},
        each,
        {"job": tune.grid_search(list(jobs))},
        TuneConfig(reuse_actors=True, max_concurrent_trials=at_once),
        scratch,
        _Watch(len(jobs), total, board, told, finished),
    )
    ray.kill(board)  # Tune keeps a reference to it
    return {r.config["job"]: said for r in results if (said := sentence(r))}


def fit(
    trainable: type[tune.Trainable],
    parameters: Mapping[str, Any],
    each: Mapping[str, float],
    space: dict[str, Any],
    how: TuneConfig,
    scratch: str,
    watch: Callback,
) -> Any:
    """Run Tune over this space of configs without a word of its own; returns its results.

    Each trial gets these resources, and its `setup` the parameters, which are sent to each machine once. Raises ValueError
    where a machine's memory is full, with which Tune does not go on.
    """
    tuner = tune.Tuner(
        tune.with_parameters(tune.with_resources(trainable, tune.PlacementGroupFactory([dict(each)])), **parameters),
        param_space=space,
        tune_config=how,
        run_config=RunConfig(
            name="jobs",
            storage_filesystem=storage.locate(scratch)[0],
            storage_path=storage.locate(scratch)[1],
            failure_config=FailureConfig(max_failures=RETRIES),
            callbacks=[watch],
            verbose=0,
        ),
    )
    try:
        results = tuner.fit()
    except RuntimeError as error:
        if isinstance(error.__cause__, OutOfMemoryError):
            raise ValueError(FULL) from error
        raise
    storage.delete_folder(scratch)
    return results


def sentence(result: Any) -> str:
    """Why a trial has failed; empty where it has not."""
    if isinstance(result.error, RayActorError | OutOfMemoryError):
        return LOST
    if result.error:
        return last_line(result.error)
    return str(result.metrics.get("failure", ""))


@final
class Worker(tune.Trainable):
    """A warm actor that does one job after another."""

    def setup(self, config: dict[str, Any], jobs: dict[int, Job], board: Any, threads: int) -> None:  # type: ignore[override]
        self.jobs, self.board = jobs, board
        settle(threads)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        return True  # Tune has put it into self.config

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: a job keeps what it needs to go on."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing: a job goes on by itself."""

    def step(self) -> dict[str, Any]:
        try:
            self.jobs[self.config["job"]](self.board)
        except ValueError as error:
            return {"failure": str(error), "done": True}
        return {"done": True}


@final
class _Watch(Callback):
    """Tells, from Tune's own loop, how far the jobs are."""

    def __init__(
        self, jobs: int, total: float | None, board: Any, told: Callable[[Status], None], finished: Callable[[int], None]
    ) -> None:
        self.jobs, self.total, self.board, self.told, self.finished = jobs, total, board, told, finished
        self.ended, self.failed, self.looked = 0, 0, 0.0

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune saves its callbacks for a restore that we never ask for, and a terminal cannot be saved."""
        return {}

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        if time.monotonic() - self.looked < SECONDS:
            return
        self.looked = time.monotonic()
        seen: dict[int, Seen] = ray.get(self.board.read.remote())
        known = [s.total for s in seen.values()]
        total = self.total or sum(known) / max(len(known), 1) * self.jobs
        done, images = sum(s.done for s in seen.values()), sum(s.images for s in seen.values())
        self.told(Status(self.jobs, self.ended, self.failed, done, total, images))

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        failed = bool(trial.last_result and trial.last_result.get("failure"))
        self.ended, self.failed = self.ended + (not failed), self.failed + failed
        if not failed:
            self.finished(trial.config["job"])

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.failed += 1
