"""One cell on several workers: the loop inside Ray Train's TorchTrainer.

The loop keeps its own checkpoint in the cell's folder, which every worker must reach. When a worker or a machine is
lost, Ray Train starts the group again, on fewer workers where that is allowed, and the loop goes on from there: a
checkpoint does not depend on the number of workers.
"""

from typing import TYPE_CHECKING, Any

from ray.exceptions import OutOfMemoryError, RayActorError
from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
from ray.train.torch import TorchTrainer, get_device

from biasray import cell, storage
from biasray.engine.board import Teller
from biasray.engine.notice import Notice
from biasray.engine.work import LOST, RETRIES, last_line
from biasray.process import settle
from biasray.world import Distributed

if TYPE_CHECKING:
    from biasray.engine.sweep import Work


def train(work: "Work", progress: Teller) -> None:
    """Run a cell on as many workers as its compute says, or while machines are missing on as few as it allows.

    Raises ValueError with one sentence where training fails for good.
    """
    compute, gpu = work.compute, work.gpu
    workers, threads = compute.workers, compute.threads or 1
    fewest = compute.min_workers or workers
    trainer = TorchTrainer(
        _worker,
        train_loop_config={"work": work, "progress": progress, "threads": threads},
        scaling_config=ScalingConfig(
            num_workers=workers if fewest == workers else (fewest, workers),  # type: ignore[arg-type]
            use_gpu=gpu,
            resources_per_worker={"CPU": threads, **({"GPU": 1} if gpu else {})},
        ),
        run_config=RunConfig(
            name=work.experiment.fingerprint(),
            storage_filesystem=storage.locate(work.shared.scratch)[0],
            storage_path=storage.locate(work.shared.scratch)[1],
            failure_config=FailureConfig(max_failures=RETRIES),
        ),
    )
    try:
        trainer.fit()
    except TrainingFailedError as error:
        raise ValueError(_sentence(error)) from error


def _worker(config: dict[str, Any]) -> None:
    settle(config["threads"])
    work: Work = config["work"]
    dataset, device, world = work.shared.open(), get_device(), Distributed()
    progress, notice = config["progress"], Notice(world, device)
    cell.run(work.experiment, dataset, work.folder, device, progress, work.save_seconds, world, notice)


def _sentence(error: TrainingFailedError) -> str:
    failures = list(getattr(error, "worker_failures", {}).values())
    causes = [getattr(e, "cause", e) for e in failures]
    told = next((e for e in causes if isinstance(e, ValueError)), None)
    lost = [isinstance(getattr(e, "health_check_failure", None), RayActorError | OutOfMemoryError) for e in failures]
    if told is None and any(lost):
        return LOST  # the other workers only tell that it does not answer
    return last_line(told or [*causes, error][0])
