import json
from pathlib import Path

import pytest

from biasray import cell, data
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
        "seeds": 2,
        "out": str(out),
        "tracking": f"sqlite:///{out}.db",
        **fields,
    }
    return tune.Config(**given)  # type: ignore[arg-type]


@pytest.mark.usefixtures("local_ray")
def test_a_search_leaves_a_setting_that_debias_takes_and_tests_it_once_beside_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
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
        assert (out / f"final/default-{seed}/done.json").exists()
        assert (out / f"final/tuned-{seed}/predictions.parquet").exists()
    scores = [json.loads((out / f"final/tuned-{s}/done.json").read_text())["history"][-1]["group_average"] for s in (0, 1)]
    assert found["tuned", "validation group average", "seeds"]["value"] == pytest.approx(sum(scores) / 2)
    assert ("tuned", "model_bias minus default", "seeds") in found
    comparison = debias.Config(
        task=Question(data="digits"), agreement=(0.9,), methods=("lff",), settings=str(out / "best.json"), seeds=1
    )
    (experiment,) = debias.experiments(comparison, data.load("digits"), CPU)
    assert experiment.settings == winner["settings"]
    monkeypatch.setattr(cell, "fit", lambda *_: pytest.fail("trained again"))
    tune.main(config(out))
    assert json.loads((out / "results.json").read_text())["rows"] == told["rows"]
    with pytest.raises(ValueError, match=r"holds another run \(validation balanced there, biased here; objective group-"):
        tune.main(config(out, objective="accuracy"))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"method": "erm"}, "erm declares no range"),
        ({"method": "lfg"}, "Unknown method 'lfg'"),
        ({"trials": 0}, "--trials must be at least 1"),
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
