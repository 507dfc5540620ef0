"""What is drawn, and how trials are judged."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from biasray import methods, search, space, storage
from biasray.search import Search, Tried
from tests.engine.cells import make

BASE = make("lff", seed=100, epochs=3)
SEARCHED = Search(BASE, "random", "worst-group")


def test_draws_differ_by_number_and_lie_within_the_declared_ranges() -> None:
    ranges = space.ranges(SEARCHED.kind)
    drawn = SEARCHED.drawn(200)
    assert len({json.dumps(d) for d in drawn}) == 200
    assert drawn[:3] == SEARCHED.drawn(3)
    assert drawn[0] != Search(replace(BASE, seed=101), "random", "worst-group").drawn(1)[0]
    for d in drawn:
        assert d.keys() == ranges.keys()
        assert all(d[name] in r for name, r in ranges.items())


@pytest.mark.parametrize("method", [m for m in methods.debiasing() if m != "erm"])
def test_whatever_is_drawn_a_method_can_be_built_with(method: str) -> None:
    searched = Search(make(method, epochs=3), "random", "accuracy")
    for drawn in searched.drawn(50):
        assert drawn.items() <= searched.trial(drawn).settings.items()


def test_settings_that_are_not_searched_stay_as_they_are_by_default() -> None:
    base = make("poisoner", settings={"reweight": False})
    assert Search(base, "random", "accuracy").trial({"p": 7.0}).settings == {**base.settings, "p": 7.0}


def test_a_method_without_ranges_is_refused() -> None:
    with pytest.raises(ValueError, match="erm declares no range"):
        Search(make("erm"), "random", "accuracy")


def test_whole_numbers_are_not_drawn_twice_and_run_out(monkeypatch: pytest.MonkeyPatch) -> None:
    searched = Search(make("jtt"), "random", "accuracy")
    assert len({json.dumps(d) for d in searched.drawn(200)}) == 200
    monkeypatch.setattr(space, "draw", lambda kind, rng: {"identify": int(rng.integers(1, 4))})
    assert sorted(d["identify"] for d in searched.drawn(3)) == [1, 2, 3]
    with pytest.raises(ValueError, match="ranges hold only some 3 settings: give fewer --trials"):
        searched.drawn(4)


def test_an_epoch_kept_by_another_criterion_than_the_searchs_is_refused() -> None:
    with pytest.raises(ValueError, match="--select worst-group keeps another epoch than --objective accuracy"):
        Search(replace(BASE, select="worst-group"), "random", "accuracy")


@pytest.mark.parametrize(("select", "score"), [("last", 0.2), ("accuracy", 0.5)])
def test_a_trial_scores_what_the_epoch_that_is_kept_does(select: str, score: float) -> None:
    assert Search(replace(BASE, select=select), "random", "accuracy").final([0.1, 0.5, 0.2]) == score


def test_the_best_is_the_best_of_those_trained_to_their_end() -> None:
    found = [
        Tried({"q": 0.1}, [0.9], ended=True),  # stopped early, when its score was still that of a lucky epoch
        Tried({"q": 0.2}, [0.1, 0.2, 0.6], ended=True),
        Tried({"q": 0.3}, [0.1, 0.2, 0.7], ended=True),
        Tried({"q": 0.4}, [0.1, 0.2, 0.8], failure="It is not finite.", ended=True),
    ]
    assert search.best(SEARCHED, found, 1) == [{"q": 0.3}]
    assert search.best(SEARCHED, found, 5) == [{"q": 0.3}, {"q": 0.2}]
    assert [t.settings["q"] for t in search.ranked(SEARCHED, found)] == [0.3, 0.2, 0.1, 0.4]


def test_where_nothing_was_trained_to_its_end_the_cause_is_told() -> None:
    with pytest.raises(ValueError, match="No trial was trained to its end: It is not finite"):
        search.best(SEARCHED, [Tried({"q": 0.4}, [], failure="It is not finite.", ended=True)], 1)


def test_the_winner_has_the_best_mean_over_seeds_of_those_that_all_seeds_could_train(tmp_path: Path) -> None:
    scores = {"lucky": ([0.9], [0.1]), "even": ([0.6], [0.6]), "broken": ([0.95], [])}
    folders = [str(tmp_path / "101"), str(tmp_path / "102")]
    for name, by_seed in scores.items():
        for folder, score in zip(folders, by_seed, strict=True):
            tried = Tried({"q": name}, [0.0, 0.0, *score], None if score else "It is not finite.", ended=True)
            search.write(storage.join(folder, storage.fingerprint({"q": name})), tried)
    settings = [{"q": name} for name in scores]
    assert search.judged(SEARCHED, settings, folders) == [({"q": "even"}, [0.6, 0.6]), ({"q": "lucky"}, [0.9, 0.1])]
    with pytest.raises(ValueError, match="No finalist could be trained with all of 2 other seeds: It is not finite"):
        search.judged(SEARCHED, [{"q": "broken"}], folders)


def test_a_trial_is_read_as_it_was_written(tmp_path: Path) -> None:
    tried = Tried({"q": 0.5, "n": 3}, [0.25, 0.5], None, True, 1.8e9)
    search.write(str(tmp_path / "a"), tried)
    assert search.read(str(tmp_path / "a")) == tried
    assert search.read(str(tmp_path / "b")) is None
    assert search.all_tried(str(tmp_path)) == [tried]
