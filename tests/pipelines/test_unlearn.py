"""Unlearning an attribute, as a user types it."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from biasray import storage
from pipelines import import_data, unlearn
from pipelines.cli import parse
from pipelines.unlearn import Config
from tests.faces import write_faces


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory, local_ray: None) -> str:
    folder = tmp_path_factory.mktemp("faces")
    source, out = write_faces(folder / "UTKFace", each=120), str(folder / "data")
    import_data.main(parse(import_data.Config, ["utkface", "--source", str(source), "--out", out, "--size", "20"]))
    return out


def words(faces: str, *more: str) -> list[str]:
    sets = ["--bins", "20", "60", "10", "--extreme", "Female=20..40", "Male=40..60"]
    return ["--data", faces, *sets, "--scale", "smoke", "--first", "1", "--batch", "32", "--threads", "1", *more]


def run(*given: str) -> str:
    return unlearn.main(parse(Config, given))


def test_alphas_are_trained_judged_by_fresh_probes_recorded_reported_and_not_trained_twice(
    faces: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, records = tmp_path / "out", f"sqlite:///{tmp_path}/records.db"
    given = words(faces, "--alpha", "0", "1", "--out", str(out), "--tracking", records)
    run(*given)
    assert "to learn from" in capsys.readouterr().out
    rows = storage.read_json(str(out / "results.json"))["rows"]
    found = {(r["method"], r["setting"], r["metric"], r["interval"]): r for r in rows}
    for alpha in ("alpha 0", "alpha 1"):
        tables = [pd.read_parquet(out / f"cells/{alpha.replace(' ', '-')}-{seed}/read.parquet") for seed in (0, 1)]
        for metric, said, true in (
            ("accuracy", "predicted", "target"),
            ("linear probe", "linear", "value"),
            ("own head", "own head", "value"),
        ):
            mine = [t[t["set"] == "balanced"] for t in tables]
            right = [(t[said] == t[true]).mean() for t in mine]
            row = found[alpha, "balanced", metric, "seeds"]
            assert row["value"] == pytest.approx(np.mean(right))
            assert (row["n"], row["seeds"]) == (len(mine[0]), 2)
        years = found[alpha, "complement", "Female over Male, years", "examples"]
        assert years["low"] < years["value"] < years["high"]
    assert found["alpha 1", "balanced", "error, years minus alpha 0", "seeds"]["p"] is not None
    html = (out / "report.html").read_text()
    for said in ("What is left of gender", "The duel", "t-SNE", "alpha 1"):
        assert said in html
    client = MlflowClient(records)
    (experiment,) = [e for e in client.search_experiments() if e.name == "biasray"]
    recorded = client.search_runs([experiment.experiment_id])
    assert any("alpha 1/balanced/linear probe" in r.data.metrics for r in recorded)
    made = {p: p.stat().st_mtime_ns for p in out.glob("cells/*/done.json")}
    assert len(made) == 4
    run(*given)
    assert {p: p.stat().st_mtime_ns for p in made} == made
    assert storage.read_json(str(out / "results.json"))["rows"] == rows


def test_a_network_in_float64_is_judged_too(faces: str, tmp_path: Path) -> None:
    more = ["--alpha", "1", "--seeds", "1", "--precision", "float64", "--tracking", "none", "--out", str(tmp_path / "out")]
    run(*words(faces, *more))
    assert (tmp_path / "out/report.html").exists()


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--unlearn", "hat"], "There is no attribute 'hat' to take as attribute to unlearn"),
        (["--unlearn", "gender", "hat"], "There is no attribute 'hat' to take as attribute to unlearn"),
        (["--target", "weight"], "There is no attribute 'weight' to take as target"),
        (["--bins", "20", "60", "7"], "--bins 20 60 7: give where the first begins"),
        (["--bins", "20", "80", "20"], "--bins: there is no example of 60 to 79; age is 20 to 59."),
        (["--extreme", "Female=20..40"], "--extreme needs targets for two values of gender"),
        (["--alpha", "-1"], "Setting 'alpha' of jlu cannot be -1.0"),
        (["--alpha", "nan"], "Setting 'alpha' of jlu cannot be nan"),
        (["--most", "0"], "Setting 'most' of jlu is at least 1, not 0."),
        (["--unlearn", "gender", "age", "--target", "age"], "'age' cannot be learnt and unlearnt at once"),
        (["--network", "gender-cnn"], "gender-cnn needs images of at least 96 x 96 pixels"),
        (["--seeds", "0"], "--seeds must be at least 1"),
        (["--network", "vgg"], "Unknown network 'vgg'"),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, list) else "",
)
def test_a_wrong_argument_is_one_sentence_before_anything_is_trained(
    more: list[str], says: str, faces: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(says)}[^\n]*$"):
        run(*words(faces, "--tracking", "none", "--out", str(tmp_path / "out"), *more))
    assert not (tmp_path / "out").exists()
