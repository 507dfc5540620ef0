"""A search of settings as a Ray Tune run: its trials are trainings that report after each epoch of their last stage.

Each trial keeps its scores and its checkpoint in a folder named after its settings. When a search is run again, trials tell
Tune at once what is there, so that its schedulers and searchers know what they knew before, and train only what is missing.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, final

import optuna.logging
import torch
from optuna.samplers import TPESampler
from ray import tune
from ray.tune import Callback, TuneConfig
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch

from biasray import cell, search, space, storage
from biasray.bias.task import prepare
from biasray.data.dataset import DataSet
from biasray.engine import cluster
from biasray.engine.board import SECONDS
from biasray.engine.cells import Status
from biasray.engine.fan_out import fit, sentence
from biasray.engine.notice import Notice
from biasray.engine.sweep import needs
from biasray.engine.work import Shared, share
from biasray.experiment import Compute
from biasray.loop import Place
from biasray.process import settle
from biasray.random import key
from biasray.search import Search, Settings, Tried

optuna.logging.set_verbosity(optuna.logging.WARNING)
BEST = 3  # ASHA goes on with a third of the trials at each rung


def run_search(
    searched: Search,
    trials: int | Sequence[Settings],
    dataset: DataSet,
    folder: str,
    compute: Compute,
    scratch: str,
    told: Callable[[Status], None] = lambda status: None,
    save_seconds: float = 30.0,
) -> list[str]:
    """Try so many settings, counted those that `folder` holds already, or just these; returns a sentence for each lost trial.

    Those are tried again when this is called again. A trial that cannot be trained ends, and says why in its own file.
    """
    ended = {storage.fingerprint(tried.settings) for tried in search.all_tried(folder) if tried.ended}
    if isinstance(trials, int):
        drawn = searched.drawn(trials) if searched.way != "optuna" else []
    else:
        drawn, trials = list(trials), len(trials)
    there = sum(storage.fingerprint(settings) in ended for settings in drawn) if drawn else len(ended)
    if there >= trials:
        return []
    cluster.connect()
    each, threads = needs(compute)
    cluster.refuse_too_much(1, each)
    shared, on = share(dataset, scratch), "cuda" if "GPU" in each else "cpu"
    parameters: dict[str, Any] = {"searched": searched, "drawn": drawn, "folder": folder, "shared": shared}
    parameters |= {"on": on, "threads": threads, "save_seconds": save_seconds}
    if drawn:
        grid = {"number": tune.grid_search(list(range(trials)))}
        how = TuneConfig(
            scheduler=_asha(searched) if searched.way == "asha" else None, reuse_actors=True, metric="score", mode="max"
        )
    else:
        grid = dict[str, Any]()
        how = TuneConfig(
            search_alg=_optuna(searched, folder),
            num_samples=trials - there,
            max_concurrent_trials=max(1, cluster.room(each)),  # or it would propose all before it has seen any
            reuse_actors=True,
            metric="score",
            mode="max",
        )
    watch = _Watch(trials, there, searched.base.epochs, drawn, folder, told)
    return [said for result in fit(Trial, parameters, each, grid, how, scratch, watch) if (said := sentence(result))]


def _settings(config: Mapping[str, Any], drawn: Sequence[Settings]) -> Settings:
    """Those of the trial that Tune calls `config`: drawn beforehand, or proposed."""
    return drawn[config["number"]] if "number" in config else dict(config)


def _asha(searched: Search) -> ASHAScheduler:
    longest = searched.base.epochs
    return ASHAScheduler(time_attr="epochs", max_t=longest, grace_period=max(1, longest // BEST**2), reduction_factor=BEST)


def _distributions(searched: Search) -> dict[str, Any]:
    """The method's ranges as Tune writes them."""
    whole, found = space.whole(searched.kind), dict[str, Any]()
    for name, r in space.ranges(searched.kind).items():
        if name in whole:
            found[name] = (tune.lograndint if r.log else tune.randint)(int(r.low), int(r.high) + 1)
        else:
            found[name] = (tune.loguniform if r.log else tune.uniform)(r.low, r.high)
    return found


def _optuna(searched: Search, folder: str) -> OptunaSearch:
    """Optuna's tree-structured Parzen estimator, told of all trials that have ended; those that were begun come first."""
    found = search.all_tried(folder)
    begun = [tried.settings for tried in found if not tried.ended]
    sampler = TPESampler(seed=key(searched.base.seed, len(found)) % 2**32)  # the same seed would propose the same once more
    made = OptunaSearch(
        OptunaSearch.convert_search_space(_distributions(searched)),
        points_to_evaluate=begun or None,
        sampler=sampler,
        metric="score",
        mode="max",
    )
    for tried in found:
        if tried.ended:
            made.add_evaluated_point(tried.settings, searched.final(tried.scores) if not tried.failure else 0.0)
    return made


@final
class Trial(tune.Trainable):
    """A warm actor that trains one trial after another."""

    def setup(  # type: ignore[override]
        self,
        config: dict[str, Any],
        searched: Search,
        drawn: list[Settings],
        folder: str,
        shared: Shared,
        on: str,
        threads: int,
        save_seconds: float,
    ) -> None:
        settle(threads)
        self.searched, self.drawn, self.shared, self.trials = searched, drawn, shared, folder
        self.device, self.save_seconds = torch.device(on), save_seconds
        self.begin()

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.begin()
        return True

    def begin(self) -> None:
        settings = _settings(self.config, self.drawn)
        self.name = storage.fingerprint(settings)
        self.folder = storage.join(self.trials, self.name)
        self.tried = search.read(self.folder) or Tried(settings, [])
        self.running: Iterator[list[float]] | None = None
        self.at = 0  # epochs of the last stage that Tune was told of

    def cleanup(self) -> None:
        """Nothing: a trial keeps what it needs to go on."""

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: a trial keeps what it needs to go on."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing: a trial goes on by itself."""

    def step(self) -> dict[str, Any]:
        """An epoch of the last stage where a scheduler decides after each, else as many as take a second."""
        began, over = time.monotonic(), False
        try:
            while not over:
                over = self.advance()
                if self.searched.way == "asha" or time.monotonic() - began > SECONDS:
                    break
        except ValueError as error:  # the same again if it were tried again
            self.tried = self.tried._replace(failure=str(error), at=time.time())
            search.write(self.folder, self.tried)
        if self.tried.failure:
            return {"score": 0.0, "trial": self.name, "epochs": self.at, "done": True}
        score = self.searched.final(self.tried.scores[: self.at])
        return {"score": score, "trial": self.name, "epochs": self.at, "done": over}

    def advance(self) -> bool:
        """Go on by an epoch of the last stage, and all that comes before it, trained or told before; whether that was all."""
        if not self.tried.failure and self.at == len(self.tried.scores):
            began = time.monotonic()
            self.running = self.running or self.scores()
            more = next((scores for scores in self.running if len(scores) > self.at), None)
            if more is None:
                return True
            seconds = self.tried.seconds + time.monotonic() - began
            self.tried = self.tried._replace(scores=more, at=time.time(), seconds=seconds)
            there = search.read(self.folder)  # of a trial with the same settings beside this one
            if there is None or len(there.scores) < len(more):
                search.write(self.folder, self.tried)
        self.at += 1
        return self.tried.failure is not None or self.at >= self.searched.base.epochs

    def scores(self) -> Iterator[list[float]]:
        """Scores by epoch of the last stage, after each epoch of any stage."""
        experiment, dataset = self.searched.trial(self.tried.settings), self.shared.open()
        prepared = prepare(dataset, experiment.task, experiment.seed)
        place = Place(folder=self.folder, device=self.device, save_seconds=self.save_seconds, leaving=Notice())
        for trained in cell.fit(experiment, dataset, prepared, place):
            last = trained.method.stages()[-1].name
            yield [self.searched.score(epoch) for epoch in trained.history if epoch["stage"] == last]


@final
class _Watch(Callback):
    """Marks trials as begun and ended, and tells how far they are."""

    def __init__(
        self, trials: int, there: int, epochs: int, drawn: list[Settings], folder: str, told: Callable[[Status], None]
    ) -> None:
        self.trials, self.epochs, self.drawn, self.folder, self.told = trials, epochs, drawn, folder, told
        self.running: dict[str, int] = {}
        self.ended, self.failed = there, 0

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune saves its callbacks for a restore that we never ask for, and a terminal cannot be saved."""
        return {}

    def on_trial_start(self, iteration: int, trials: Sequence[Any], trial: Any, **info: Any) -> None:
        settings = _settings(trial.config, self.drawn)  # marked before its first epoch: a search killed now goes on with it
        folder = storage.join(self.folder, storage.fingerprint(settings))
        if search.read(folder) is None:
            search.write(folder, Tried(settings, []))

    def on_trial_result(self, iteration: int, trials: Sequence[Any], trial: Any, result: Any, **info: Any) -> None:
        self.running[trial.trial_id] = result["epochs"]
        self.tell()

    def on_trial_complete(self, iteration: int, trials: Sequence[Any], trial: Any, **info: Any) -> None:
        self.running.pop(trial.trial_id, None)
        folder = storage.join(self.folder, trial.last_result["trial"])
        tried = search.read(folder)
        assert tried is not None
        if not tried.ended:
            self.ended += 1
            search.write(folder, tried._replace(ended=True))
        storage.delete(storage.join(folder, "state.pt"))
        self.tell()

    def on_trial_error(self, iteration: int, trials: Sequence[Any], trial: Any, **info: Any) -> None:
        self.failed += 1

    def tell(self) -> None:
        done = self.ended * self.epochs + sum(self.running.values())
        self.told(Status(self.trials, self.ended, self.failed, done, self.trials * self.epochs, 0))
