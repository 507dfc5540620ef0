"""Searching a method's settings: what is drawn, what a trial is, and what it is judged by, never on the test split."""

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal, NamedTuple, final

from biasray import methods, space, storage
from biasray.experiment import Experiment
from biasray.random import rng

Goal = Literal["worst-group", "group-average", "worst-class", "accuracy"]
Way = Literal["random", "asha", "optuna"]
PATIENCE = 100  # draws for each new setting
INFORMED = ("worst-group", "group-average")  # objectives that need bias labels of the validation split

Settings = dict[str, Any]


@final
@dataclass(frozen=True)
class Search:
    """One search: everything that determines which settings are tried and how each is judged, but for their number."""

    base: Experiment
    """What every trial has in common, with the method's default settings."""
    way: Way
    objective: Goal

    def __post_init__(self) -> None:
        if self.base.select not in ("last", self.objective):
            raise ValueError(
                f"--select {self.base.select} keeps another epoch than --objective {self.objective} judges by: "
                "leave it out, or give both the same."
            )
        if not space.ranges(self.kind):
            raise ValueError(f"{self.base.method} declares no range to search its settings in; choose another --method.")

    @property
    def kind(self) -> type:
        """The method's Config class."""
        kind: type = sys.modules[methods.get(self.base.method).__module__].Config
        return kind

    @property
    def default(self) -> Settings:
        """The settings that are searched, as they are without a search."""
        return {name: self.base.settings[name] for name in space.ranges(self.kind)}

    def fingerprint(self) -> str:
        return storage.fingerprint([self.base.fingerprint(), self.way, self.objective])

    def drawn(self, trials: int) -> list[Settings]:
        """The settings of so many trials of a random search, no two alike; the first of many are those of few.

        Raises ValueError where the ranges do not hold so many.
        """
        found: dict[str, Settings] = {}
        for number in range(PATIENCE * trials):
            settings = space.draw(self.kind, rng(self.base.seed, "search", number))
            found.setdefault(storage.fingerprint(settings), settings)
            if len(found) == trials:
                return list(found.values())
        raise ValueError(f"{self.base.method}'s ranges hold only some {len(found)} settings: give fewer --trials.")

    def trial(self, settings: Mapping[str, Any]) -> Experiment:
        """The experiment with these of the method's settings, the others as they are by default."""
        config = methods.config(self.base.method, {**self.base.settings, **settings})
        return dataclasses.replace(self.base, settings=dataclasses.asdict(config))

    def score(self, epoch: Mapping[str, Any]) -> float:
        """The objective after an epoch, from the history's entry."""
        return float(epoch[self.objective.replace("-", "_")])

    def final(self, score_E: Sequence[float]) -> float:
        """The score of a trial: that of the epoch which is kept."""
        return score_E[-1] if self.base.select == "last" else max(score_E)


class Tried(NamedTuple):
    """What a trial left in its folder."""

    settings: Settings
    scores: list[float]  # of the last stage, by epoch
    failure: str | None = None  # why its settings cannot be trained
    ended: bool = False  # by itself, or by a scheduler
    at: float = 0.0  # seconds since 1970 of its last score
    seconds: float = 0.0  # that it was trained for


TRIAL = "trial.json"


def write(folder: str, tried: Tried) -> None:
    storage.write_json(storage.join(folder, TRIAL), tried._asdict())


def read(folder: str) -> Tried | None:
    """None where nothing was tried yet."""
    file = storage.join(folder, TRIAL)
    return Tried(**storage.read_json(file)) if storage.exists(file) else None


def ranked(searched: Search, found: Sequence[Tried]) -> list[Tried]:
    """Trials with the best first: those that were trained longest, of these the highest score. Those that failed come last."""
    return sorted(
        found, key=lambda t: (not t.failure, len(t.scores), searched.final(t.scores) if t.scores else 0), reverse=True
    )


def best(searched: Search, found: Sequence[Tried], number: int) -> list[Settings]:
    """The settings with the highest scores, at most so many, of trials that were trained to their end.

    Raises ValueError where there is none.
    """
    whole = [t for t in ranked(searched, found) if not t.failure and len(t.scores) == searched.base.epochs]
    if not whole:
        failures = [t.failure for t in found if t.failure]
        raise ValueError(f"No trial was trained to its end: {failures[0] if failures else 'run the same command again.'}")
    return [t.settings for t in whole[:number]]


class Finalist(NamedTuple):
    """A setting that was trained again with other seeds."""

    settings: Settings
    scores: list[float]  # by seed


def judged(searched: Search, settings: Sequence[Settings], folders: Sequence[str]) -> list[Finalist]:
    """The settings by their mean score over folders of trials, one of each seed, the best first.

    Those that could not be trained with one of the seeds are left out; raises ValueError where all are.
    """
    found, failure = [], ""
    for chosen in settings:
        tried = [read(storage.join(folder, storage.fingerprint(chosen))) for folder in folders]
        whole = [t for t in tried if t and not t.failure and len(t.scores) == searched.base.epochs]
        failure = next((t.failure for t in tried if t and t.failure), failure)
        if len(whole) == len(folders):
            found.append(Finalist(chosen, [searched.final(t.scores) for t in whole]))
    if not found:
        raise ValueError(f"No finalist could be trained with all of {len(folders)} other seeds: {failure}")
    return sorted(found, key=lambda finalist: fmean(finalist.scores), reverse=True)


def all_tried(folder: str) -> list[Tried]:
    """Every trial in the folder of trials, in the order of their names."""
    found = [read(storage.join(folder, name)) for name in storage.names(folder)]
    return [tried for tried in found if tried]
