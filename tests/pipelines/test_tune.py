import json
from dataclasses import replace
from pathlib import Path

import pytest

from biasray import data, storage
from biasray.bias.task import Question, Task
from biasray.experiment import Compute, Training
from pipelines import debias, tune
from tests.engine.cells import CPU


def config(out: Path, **fields: object) -> tune.Config:
    given = {
        "task": Task(data="digits", agreement=0.9),
        "training": Training(epochs=6, batch=64),
        "compute": Compute(threads=1),
        "trials": 2,
        "objective": "group-average",
        "finalists": 1,
        "seeds": 2,
        "out": str(out),
        "tracking": f"sqlite:///{out}.db",
        **fields,
    }
    return tune.Config(**given)  # type: ignore[arg-type]


@pytest.mark.usefixtures("local_ray")
def test_a_search_leaves_a_setting_that_debias_takes_and_tests_it_once_beside_the_default(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "search"
    tune.main(config(out))
    assert "records are missing" not in capsys.readouterr().out
    trials = [json.loads(p.read_text()) for p in out.glob("trials/*/trial.json")]
    winner = max(trials, key=lambda t: t["scores"][-1])
    assert json.loads((out / "best.json").read_text()) == {"lff": winner["settings"]}
    told = json.loads((out / "results.json").read_text())
    assert len(told["trials"]) == 2
    found = {(r["method"], r["metric"], r["interval"]): r for r in told["rows"]}
    for seed in (0, 1):
        assert len(list(out.glob(f"final/{seed}-*/done.json"))) == 2
    searched, _ = tune.asked(config(out), data.load("digits"), CPU)
    tuned = [replace(searched.trial(winner["settings"]), seed=seed) for seed in (0, 1)]
    done = [json.loads((out / "final" / f"{e.seed}-{e.fingerprint()}" / "done.json").read_text()) for e in tuned]
    scores = [d["history"][-1]["group_average"] for d in done]
    assert found["tuned", "validation group average", "seeds"]["value"] == pytest.approx(sum(scores) / 2)
    assert ("tuned", "model_bias minus default", "seeds") in found
    comparison = debias.Config(
        task=Question(data="digits"), agreement=(0.9,), methods=("lff",), settings=str(out / "best.json"), seeds=1
    )
    (experiment,) = debias.experiments(comparison, data.load("digits"), CPU)
    assert experiment.settings == winner["settings"]
    written = {p: p.stat().st_mtime_ns for p in [*out.glob("trials/*/trial.json"), *out.glob("final/*/done.json")]}
    tune.main(config(out))
    assert json.loads((out / "results.json").read_text())["rows"] == told["rows"]
    assert {p: p.stat().st_mtime_ns for p in written} == written
    better = {
        "settings": {"q": 0.5, "alpha": 0.6},
        "scores": [0.99] * 6,
        "failure": None,
        "ended": True,
        "at": 0.0,
        "seconds": 1.0,
    }
    folder = out / "trials" / storage.fingerprint(better["settings"])
    folder.mkdir()
    (folder / "trial.json").write_text(json.dumps(better))
    tune.main(config(out, trials=3))
    told = json.loads((out / "results.json").read_text())
    assert json.loads((out / "best.json").read_text()) == {"lff": better["settings"]}
    assert len(list(out.glob("final/0-*"))) == 3  # what was found first is not taken for it
    with pytest.raises(ValueError, match=r"holds another run \(validation balanced there, biased here; objective group-"):
        tune.main(config(out, objective="accuracy"))


@pytest.mark.usefixtures("local_ray")
def test_the_best_trials_are_judged_again_with_other_seeds_and_the_best_of_these_wins(tmp_path: Path) -> None:
    out = tmp_path / "search"
    tune.main(config(out, finalists=2, seeds=1, tracking="none"))
    trials = [json.loads(p.read_text()) for p in out.glob("trials/*/trial.json")]
    again = {p.parent.name: json.loads(p.read_text()) for p in out.glob("finalists/101/*/trial.json")}
    assert len(again) == 3
    assert storage.fingerprint({"q": 0.7, "alpha": 0.7}) in again  # the default
    assert all(storage.fingerprint(t["settings"]) in again for t in trials)
    assert all(again[storage.fingerprint(t["settings"])]["scores"] != t["scores"] for t in trials)  # another seed
    lucky = {**trials[0], "settings": {"q": 0.5, "alpha": 0.6}, "scores": [0.99] * 6}
    unlucky = {**lucky, "scores": [0.01] * 6}
    for folder, trial in (("trials", lucky), ("finalists/101", unlucky)):
        place = out / folder / storage.fingerprint(lucky["settings"])
        place.mkdir()
        (place / "trial.json").write_text(json.dumps(trial))
    tune.main(config(out, finalists=2, seeds=1, tracking="none", trials=3))
    told = json.loads((out / "results.json").read_text())
    assert told["trials"][0]["settings"] == lucky["settings"]
    assert [f["settings"] for f in told["finalists"]][2] == lucky["settings"]
    assert json.loads((out / "best.json").read_text()) == {"lff": told["finalists"][0]["settings"]}
    assert "<h2>Finalists</h2>" in (out / "report.html").read_text()


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"finalists": 0}, "--finalists must be at least 1"),
        ({"method": "erm"}, "erm declares no range"),
        ({"method": "lfg"}, "Unknown method 'lfg'"),
        ({"trials": 0}, "--trials must be at least 1"),
        ({"compute": Compute(workers=2)}, "--workers: a trial has one worker"),
        ({"training": Training(select="accuracy")}, "--select accuracy keeps another epoch"),
        ({"seeds": 0}, "--seeds must be at least 1"),
        ({"seed": 1}, "--seed 1 is also one of the 2 final trainings"),
        ({"task": Task(data="digits")}, "need an --agreement"),
        ({"task": Task(data="nowhere", agreement=0.9)}, "no data set 'nowhere'"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(fields: dict[str, object], says: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=says) as raised:
        tune.main(config(tmp_path / "out", **fields))
    assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_validation_has_bias_labels_only_for_objectives_that_need_them(tmp_path: Path) -> None:
    digits = data.load("digits")
    for objective, validation in (
        ("worst-group", "balanced"), ("group-average", "balanced"), ("worst-class", "biased"), ("accuracy", "biased"),
    ):  # fmt: skip
        searched, _ = tune.asked(config(tmp_path, objective=objective), digits, CPU)
        assert searched.base.task.validation == validation
