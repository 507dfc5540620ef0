"""Classifiers on several data sets, as a user types it."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from biasray import data, storage
from biasray.data.dataset import DataSet
from pipelines import cross_audit
from pipelines.cli import parse
from pipelines.cross_audit import Config

QUIET = ["--tracking", "none", "--threads", "1", "--scale", "smoke", "--epochs", "1"]
GROUPS = ["--target", "gender", "--attributes", "glasses", "age"]


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> DataSet:
    """Another data set of the same faces with other splits."""
    faces = data.load("drawn-faces")
    examples = faces.examples.assign(split=np.resize(["test", "train", "validation"], len(faces.examples)))
    other = replace(faces, name="others", examples=examples, checksum="others")
    found = {"drawn-faces": faces, "here/others": other}
    monkeypatch.setattr(data, "load", found.__getitem__)
    return other


def run(*given: str) -> str:
    return cross_audit.main(parse(Config, given))


def test_every_classifier_is_tested_on_every_data_set(
    two: DataSet, local_ray: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = tmp_path / "answers.csv"
    men_N = two.examples["gender"].where(two.examples["glasses"] == "no", "Male")  # of those with glasses all are men
    answers.write_text("\n".join(["file,gender", *(f"{i},{g}" for i, g in zip(two.examples["id"], men_N, strict=True))]))
    given = ["--data", "drawn-faces", "here/others", "--train", "drawn-faces", "here/others", *GROUPS, *QUIET]
    given += ["--predictions", f"thirds={answers}", "--out", str(tmp_path / "out")]
    given[given.index("none")] = f"sqlite:///{tmp_path}/mlflow.db"
    out = Path(run(*given))
    rows = storage.read_json(str(out / "results.json"))["rows"]
    of_all = {(r["method"], r["data"]): r["n"] for r in rows if (r["group"], r["interval"]) == ("all", "images")}
    test_N = two.examples["split"] == "test"
    learnt_N = data.load("drawn-faces").examples["split"] != "test"
    assert of_all == {
        ("cnn of drawn-faces", "drawn-faces"): 1000,
        ("cnn of drawn-faces", "others"): int((test_N & ~learnt_N).sum()),
        ("cnn of others", "drawn-faces"): int((~learnt_N & test_N).sum()),
        ("cnn of others", "others"): int(test_N.sum()),
        ("thirds", "drawn-faces"): 6000,
        ("thirds", "others"): 6000,
    }
    (behind,) = [r for r in rows if (r["method"], r["data"], r["group"]) == ("thirds", "others", "Female, yes") and "p" in r]
    assert behind["p"] < 1e-6
    said = capsys.readouterr().out
    assert re.search(r"thirds on others: \d\d\.\d % of all, but 0\.0 % \(0\.0 to 0\.\d\) of Female, yes", said)
    answers_of = pd.read_csv(out / "answers/thirds-0-on-others.csv", dtype=str)
    assert (answers_of["said"] == "Male").sum() == (men_N == "Male").sum()
    assert len([*out.glob("answers/cnn-of-others-1-on-*.csv")]) == 2
    html = (out / "report.html").read_text()
    assert "are not shown to cnn of drawn-faces, which learnt from the same images" in html
    assert not re.search(r"\bnan\b|\bNone\b", re.sub(r"<svg.*?</svg>", "", html, flags=re.S))
    before = {file: file.stat().st_mtime_ns for file in out.glob("cells/*/done.json")}
    assert len(before) == 4
    run(*given)
    assert {file: file.stat().st_mtime_ns for file in before} == before


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "Give --train data sets to train classifiers on, or --predictions of others"),
        (["--train", "drawn-faces", "--fewest", "1"], "--fewest must be at least 2"),
        (["--train", "drawn-faces", "--seeds", "0"], "--seeds must be at least 1"),
        (["--train", "drawn-faces", "--target", "age"], "'age' of drawn-faces is a number"),
        (["--train", "drawn-faces", "--target", "mood"], "drawn-faces has no attribute 'mood'; it has:"),
        (["--train", "digits"], "digits has no attribute 'gender'; it has: digit"),
        (["--train", "drawn-faces", "--network", "magic"], "Unknown network 'magic'"),
        (["--predictions", "mine"], "--predictions mine is not NAME=FILE"),
        (["--predictions", "mine=nowhere.csv"], "There is no file nowhere.csv"),
        (["--predictions", "mine=sex.csv"], "sex.csv has no column 'gender'; it has: file, sex"),
        (
            ["--predictions", "mine=coded.csv"],
            "coded.csv: gender '0' is none of Female, Male; write answers as",
        ),
        (["--predictions", "mine=other.csv"], "other.csv names no image of these data sets (a.jpg is none); such is 00000"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, given: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sex.csv").write_text("file,sex\n00000,Male\n")
    (tmp_path / "coded.csv").write_text("file,gender\n00000,0\n00001,1\n")
    (tmp_path / "other.csv").write_text("file,gender\na.jpg,Male\n")
    with pytest.raises(ValueError, match=re.escape(said)) as error:
        run("--data", "drawn-faces", *QUIET, *given, "--out", str(tmp_path / "out"))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()
