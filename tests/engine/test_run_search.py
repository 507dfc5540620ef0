"""Searches on a real Ray, whole, killed and gone on with."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from biasray import cell, search
from biasray.bias.task import prepare
from biasray.engine import fan_out
from biasray.engine.cells import Status
from biasray.engine.search import run_search
from biasray.engine.work import LOST
from biasray.experiment import Compute, Experiment
from biasray.loop import Place
from biasray.search import Search, Tried
from tests.engine.cells import DIGITS, kill_a_worker, make

BASE = make("lff", seed=100, epochs=6)


def run(searched: Search, trials: int, out: Path) -> dict[str, Tried]:
    """All that was tried after this search, by folder; checkpoints are written after every step."""
    folder, scratch = str(out / "trials"), str(out / "ray")
    assert run_search(searched, trials, DIGITS, folder, Compute(), scratch, save_seconds=0) == []
    return {p.name: tried for p in sorted((out / "trials").iterdir()) if (tried := search.read(str(p)))}


def settings(found: Sequence[Tried]) -> list[tuple[float, ...]]:
    return sorted(tuple(tried.settings.values()) for tried in found)


@pytest.mark.usefixtures("local_ray")
def test_trials_score_what_the_same_training_does_on_validation_and_no_more_are_made_than_asked_for(tmp_path: Path) -> None:
    searched = Search(BASE, "random", "group-average")
    found = run(searched, 3, tmp_path)
    assert settings(list(found.values())) == sorted(tuple(drawn.values()) for drawn in searched.drawn(3))
    assert all(tried.ended and not tried.failure for tried in found.values())
    name, tried = next(iter(found.items()))
    prepared = prepare(DIGITS, BASE.task, BASE.seed)
    *_, trained = cell.fit(searched.trial(tried.settings), DIGITS, prepared, Place(folder=str(tmp_path / "alone")))
    assert tried.scores == [epoch["group_average"] for epoch in trained.history]
    assert not (tmp_path / "trials" / name / "state.pt").exists()
    before = (tmp_path / "trials" / name / "trial.json").stat().st_mtime_ns
    more = run(searched, 5, tmp_path)
    assert len(more) == 5
    assert found.items() <= more.items()
    assert (tmp_path / "trials" / name / "trial.json").stat().st_mtime_ns == before


@pytest.mark.usefixtures("local_ray")
def test_asha_stops_most_trials_early_and_trains_the_best_to_their_end(tmp_path: Path) -> None:
    found = list(run(Search(BASE, "asha", "group-average"), 9, tmp_path).values())
    lengths = sorted(len(tried.scores) for tried in found)
    assert lengths[0] < 6
    assert lengths[-1] == 6
    assert all(tried.ended for tried in found)
    assert not list((tmp_path / "trials").glob("*/state.pt"))


@pytest.mark.usefixtures("local_ray")
def test_optuna_goes_on_with_what_it_has_not_proposed_yet(tmp_path: Path) -> None:
    searched = Search(replace(BASE, epochs=1), "optuna", "accuracy")
    first = run(searched, 3, tmp_path)
    assert len(first) == 3
    found = run(searched, 7, tmp_path)
    assert len(found) == 7
    assert first.items() <= found.items()


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (replace(BASE, epochs=1, recipe=replace(BASE.recipe, lr=1e30)), "is not finite"),
        (replace(BASE, epochs=1, task=replace(BASE.task, agreement=0.9999)), "leaves no conflicting example"),
    ],
)
@pytest.mark.usefixtures("local_ray")
def test_a_trial_that_cannot_be_trained_says_why_and_stops_no_other(broken: Experiment, why: str, tmp_path: Path) -> None:
    found = run(Search(broken, "random", "accuracy"), 2, tmp_path)
    assert len(found) == 2
    assert all(tried.ended and why in str(tried.failure) for tried in found.values())


@pytest.mark.usefixtures("local_ray")
def test_settings_that_are_given_are_tried_and_no_others(tmp_path: Path) -> None:
    searched = Search(replace(BASE, epochs=1), "optuna", "accuracy")
    given = [{"q": 0.4, "alpha": 0.6}, {"q": 0.5, "alpha": 0.7}]
    folder, scratch = str(tmp_path / "trials"), str(tmp_path / "ray")
    for asked in (given[:1], given):
        assert run_search(searched, asked, DIGITS, folder, Compute(), scratch) == []
        assert settings(search.all_tried(folder)) == sorted(tuple(each.values()) for each in asked)


SCRIPT = """
import sys
from pathlib import Path
from biasray.search import Search
from tests.engine.test_run_search import BASE, run
run(Search(BASE, sys.argv[1], "group-average"), 4, Path(sys.argv[2]))
"""


@pytest.mark.parametrize("way", ["asha", "optuna"])
@pytest.mark.usefixtures("local_ray")
def test_a_search_killed_half_way_ends_with_the_trials_of_an_undisturbed_one(way: str, tmp_path: Path) -> None:
    killed = subprocess.Popen([sys.executable, "-c", SCRIPT, way, str(tmp_path / "killed")], start_new_session=True)
    trials = tmp_path / "killed/trials"
    until = time.monotonic() + 300
    while not any(len(tried.scores) > 1 for tried in search.all_tried(str(trials))) and time.monotonic() < until:
        time.sleep(0.05)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    begun = {p.name: tried for p in trials.iterdir() if (tried := search.read(str(p))) and not tried.ended}
    assert begun
    assert list(trials.glob("*/state.pt"))
    searched = Search(BASE, way, "group-average")  # type: ignore[arg-type]
    found, whole = run(searched, 4, tmp_path / "killed"), run(searched, 4, tmp_path / "whole")
    assert len(found) == len(whole) == 4
    assert begun.keys() <= found.keys()
    assert all(tried.ended for tried in found.values())
    for name in found.keys() & whole.keys():
        shorter = min(len(found[name].scores), len(whole[name].scores))  # ASHA decides by who comes first
        assert found[name].scores[:shorter] == whole[name].scores[:shorter]
    assert found.keys() == whole.keys() or way == "optuna"  # which proposes what follows from what it was told first


@pytest.mark.usefixtures("local_ray")
def test_a_trial_that_is_lost_is_told_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fan_out, "RETRIES", 0)
    searched = Search(replace(BASE, epochs=100), "random", "accuracy")
    killed = list[bool]()

    def kill(status: Status) -> None:
        if status.done and not any(killed):
            killed.append(kill_a_worker("_Inner.train"))

    lost = run_search(searched, 2, DIGITS, str(tmp_path / "trials"), Compute(), str(tmp_path / "ray"), kill)
    assert any(killed), "nothing was killed"
    assert lost
    assert LOST in lost
    assert sum(tried.ended for tried in search.all_tried(str(tmp_path / "trials"))) < 2
    assert run_search(searched, 2, DIGITS, str(tmp_path / "trials"), Compute(), str(tmp_path / "ray")) == []
    assert all(tried.ended for tried in search.all_tried(str(tmp_path / "trials")))
