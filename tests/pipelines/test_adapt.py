"""Adapting classifiers to images without labels, as a user types it."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from biasray import adapting, data, storage
from biasray.report.adapt_rows import CHOSEN, ORACLE, Key, at, picked, rows
from pipelines import adapt, debias
from pipelines.cli import parse

QUIET = ["--tracking", "none", "--threads", "1"]
PICKED = ("chosen", "oracle")
DATA = ["--unlabelled", "drawn-faces", "--test", "drawn-faces"]


@pytest.fixture(scope="module")
def models(local_ray: None, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two classifiers of drawn faces, and two by lff."""
    out = str(tmp_path_factory.mktemp("start") / "out")
    given = [
        "--data",
        "drawn-faces",
        "--target",
        "gender",
        "--bias",
        "glasses",
        "--agreement",
        "0.9",
        "--methods",
        "erm",
        "lff",
    ]
    debias.main(parse(debias.Config, [*given, "--seeds", "2", "--epochs", "1", "--examples", "300", *QUIET, "--out", out]))
    return [str(file.parent) for file in sorted(Path(out).rglob("network.json"))]


def run(*given: str) -> str:
    return adapt.main(parse(adapt.Config, given))


def test_start_models_are_adapted_and_compared(models: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start = [folder for folder in models if "erm" in folder]
    given = ["--model", *start, *DATA, "--pools", "all", "gender=Female,glasses=yes:0.8", "--methods", "fine-tune:labels=200"]
    given += ["pseudo-label:rounds=1", "--balance", "none", "--threshold", "0.5", "--epochs", "1", "--threads", "1"]
    given += ["--tracking", f"sqlite:///{tmp_path}/mlflow.db"]
    out = Path(run(*given, "--out", str(tmp_path / "out")))
    rows = storage.read_json(str(out / "results.json"))["rows"]
    found, ways = {(r["start"], r["pool"], r["method"]) for r in rows}, ("pseudo-label none rounds 1 threshold 0.5", *PICKED)
    of = "glasses 0.9"
    assert found == {(of, "", "start"), *((of, p, m) for p in given[8:10] for m in ("fine-tune labels 200", *ways))}
    table = adapting.predictions(str(next((out / "cells").iterdir())))
    faces = data.load("drawn-faces").examples
    assert list(table["id"]) == list(faces["id"][faces["split"] == "test"])
    gain = {(r["pool"], r["method"], r["interval"]): r for r in rows if r["metric"] == "accuracy minus start"}
    shown = {(r["pool"], r["method"], r["interval"]): r for r in rows if r["metric"] == "accuracy"}
    for (pool, method, interval), row in gain.items():
        before = shown["", "start", interval]["value"]
        assert row["value"] == pytest.approx(shown[pool, method, interval]["value"] - before)
    said = capsys.readouterr().out
    assert said.index("Foreseen, before training") < said.index("hold the rest")
    foreseen = storage.read_json(str(out / "results.json"))["foreseen"]
    assert {(one["pool"], one["method"]) for one in foreseen} == {(p, ways[0]) for p in given[8:10]}
    html = (out / "report.html").read_text()
    assert not re.search(r"\bnan\b|\bNone\b", re.sub(r"<svg.*?</svg>|<h2>Settings.*", "", html, flags=re.S))
    before_M = {file: file.stat().st_mtime_ns for file in out.glob("cells/*/done.json")}
    assert len(before_M) == 8
    run(*given, "--out", str(tmp_path / "out"))
    assert {file: file.stat().st_mtime_ns for file in before_M} == before_M


def test_what_fails_is_told_and_the_others_are_shown(models: list[str], tmp_path: Path) -> None:
    start = next(folder for folder in models if "erm" in folder)
    given = ["--model", start, *DATA, "--methods", "pseudo-label:rounds=1,balance=none", "--most", "300"]
    given += ["--epochs", "1", *QUIET]
    with pytest.raises(ValueError, match=r"threshold 1, all, seed 0: No unlabelled image is told with so much certainty"):
        run(*given, "--threshold", "0.5", "0.9999999", "--out", str(tmp_path / "out"))
    rows = storage.read_json(str(tmp_path / "out/results.json"))["rows"]
    assert {r["method"] for r in rows} == {"start", "pseudo-label rounds 1 balance none threshold 0.5", *PICKED}
    assert "Pool: all, 300 images" in (tmp_path / "out/report.html").read_text()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (["--model", "nowhere"], "nowhere holds no trained model; give a folder below cells/ of a comparison"),
        (["--pools", "women"], "'women' is not all"),
        (["--most", "0"], "--most must be at least 1"),
        (["--methods", "mixmatch"], "Unknown adaptation 'mixmatch'"),
        (["--methods", "fixmatch:speed=3"], "speed"),
        (["--methods", "fixmatch:mu"], "--methods fixmatch:mu: write settings as fixmatch:name=value,name=value"),
        (["--threshold", "1.5"], "threshold"),
        (["--epochs", "0"], "--epochs must be at least 1"),
        (["--unlabelled", "digits"], "Images of digits are (1, 28, 28), those of drawn-faces (3, 64, 64); import alike"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(models: list[str], tmp_path: Path, change: list[str], said: str) -> None:
    start = next(folder for folder in models if "erm" in folder)
    given = ["--model", start, *DATA, *QUIET, *change, "--out", str(tmp_path / "out")]
    with pytest.raises(ValueError, match=re.escape(said)) as error:
        run(*given)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_a_model_of_another_method_and_test_images_in_the_pool_are_refused(
    models: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lff, erm = (next(folder for folder in models if name in folder) for name in ("lff", "erm"))
    with pytest.raises(ValueError, match="was not trained by erm but by lff; give a plain classifier"):
        run("--model", lff, *DATA, *QUIET, "--out", str(tmp_path / "out"))
    with pytest.raises(ValueError, match=r"Two start models that learnt from glasses 0.9 have seed 0; give each once"):
        run("--model", erm, erm, *DATA, *QUIET)
    longer = tmp_path / "longer"
    shutil.copytree(erm, longer)
    made = storage.read_json(str(longer / "network.json"))
    storage.write_json(str(longer / "network.json"), {**made, "seed": 1, "epochs": 9})
    with pytest.raises(ValueError, match=r"both learnt from glasses 0.9, but not in the same way; adapt them in two runs"):
        run("--model", erm, str(longer), *DATA, *QUIET)
    faces = data.load("drawn-faces")
    split = np.where(np.arange(len(faces.examples)) < 5000, "test", "train")
    other = replace(faces, name="others", examples=faces.examples.assign(split=split))
    found = {"drawn-faces": faces, "others": other}
    monkeypatch.setattr(data, "load", found.__getitem__)
    found["drawn-faces"] = replace(faces, checksum="3")
    with pytest.raises(ValueError, match=r"drawn-faces holds other data than .*erm.* learnt from; train it again"):
        run("--model", erm, *DATA, *QUIET)
    found["drawn-faces"] = faces
    blank = replace(faces, name="blank", checksum="1", examples=faces.examples.drop(columns=["gender", "glasses"]))
    found["blank"] = blank
    given = [
        "--model",
        erm,
        "--unlabelled",
        "blank",
        "--test",
        "drawn-faces",
        "--methods",
        "fine-tune",
        "--epochs",
        "1",
        *QUIET,
    ]
    with pytest.raises(ValueError, match="No image of the pool has a label, which fine-tune learns from; leave it out"):
        run(*given, "--out", str(tmp_path / "blank"))
    with pytest.raises(ValueError, match=r"test images are in what .*erm.* learnt from too \(the first: 0"):
        run("--model", erm, "--unlabelled", "drawn-faces", "--test", "others", *QUIET)
    found["whole"] = replace(faces, checksum="2", examples=faces.examples.assign(split="train"))
    with pytest.raises(ValueError, match=r"test images are in the pool too \(the first: 0"):
        run("--model", erm, "--unlabelled", "whole", "--test", "drawn-faces", *QUIET)


def test_gains_are_paired_by_seed() -> None:
    drawn = np.random.default_rng(0)
    tables = []
    for seed in range(3):
        target_N, right_N = np.resize([0, 1], 400), drawn.random(400) < 0.6 + 0.1 * seed
        started_N = np.where(right_N, target_N, 1 - target_N)
        better_N = np.where(drawn.random(400) < 0.1, target_N, started_N)
        tables.append(pd.DataFrame({"id": range(400), "target": target_N, "started": started_N, "predicted": better_N}))
    key = Key("all", "all", "one")
    found = rows("there", {key: tables}, ("Female", "Male"))
    gain, accuracy = (at(found, key, metric, "seeds") for metric in ("accuracy minus start", "accuracy"))
    assert 0 < gain["low"] < 0.03 < gain["high"] < 0.1  # start models differ much, gains do not
    assert accuracy["high"] - accuracy["low"] > 0.3
    assert gain["p"] < 0.05
    ratio = at(found, key, "accuracy ratio", "images")
    assert 0.8 < ratio["low"] <= ratio["value"] <= 1


def test_what_is_chosen_goes_by_validation_and_the_oracle_by_the_test_images() -> None:
    target_N = np.resize([0, 1], 100)
    wrong = {"good": [0], "bad": range(0, 60, 2), "start": range(0, 20, 2)}
    said = {name: np.where(np.isin(np.arange(100), list(where)), 1 - target_N, target_N) for name, where in wrong.items()}
    keys = {name: Key("all", "all", name) for name in ("bad", "good")}
    found = {
        key: [pd.DataFrame({"id": range(100), "target": target_N, "started": said["start"], "predicted": said[name]})]
        for name, key in keys.items()
    }

    def chosen(good: float, bad: float, start: float) -> tuple[np.ndarray, np.ndarray]:
        out = picked(found, {keys["bad"]: [(bad, start)], keys["good"]: [(good, start)]})
        one, other = (out[Key("all", "all", name)][0]["predicted"].to_numpy() for name in (CHOSEN, ORACLE))
        return one, other

    for name, validation in (("good", (0.9, 0.8, 0.7)), ("bad", (0.7, 0.8, 0.6)), ("start", (0.7, 0.8, 0.8))):
        one, oracle = chosen(*validation)
        assert (one == said[name]).all()
        assert (oracle == said["good"]).all()
