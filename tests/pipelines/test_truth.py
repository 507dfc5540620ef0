"""The bias of a model whose answers on the private images are there."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from biasray import data
from biasray.audit.reading import Reading
from biasray.data.ages import years
from pipelines.truth import Truth, truth

FACES = data.load("drawn-faces")


def answered(tmp_path: Path, examples: pd.DataFrame) -> str:
    """Ages that are right for women and three years too high for men."""
    age_N = years(examples["age"]) + 3 * (examples["gender"] == "Male").to_numpy()
    pd.DataFrame({"file": examples["id"], "age": age_N}).to_csv(tmp_path / "answers.csv", index=False)
    return str(tmp_path / "answers.csv")


def test_the_bias_of_known_answers_is_told_with_an_interval(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = FACES.examples.iloc[:500]
    told = truth(Truth(private="drawn-faces", answers=answered(tmp_path, few), figure=("gender=Male/Female", "gender=Male")))
    share = (few["gender"] == "Male").mean()
    assert list(told) == ["Male - Female", "Male - all"]
    assert list(told.values()) == pytest.approx([3, 3 * (1 - share)])
    said = capsys.readouterr().out
    assert f"500 of {len(FACES.examples):,} images have an answer" in said
    assert "Male - Female: 3.00 (3.00 to 3.00) years" in said
    assert f"{len(FACES.examples) - 500:,} images have no answer" in said


def test_the_interval_is_about_as_wide_as_that_of_a_difference_of_means(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = FACES.examples.iloc[:800]
    drawn_N = np.abs(np.random.default_rng(0).normal(0, 5, 800))
    table = pd.DataFrame({"file": few["id"], "age": years(few["age"]) + drawn_N})
    table.to_csv(tmp_path / "answers.csv", index=False)
    truth(Truth(private="drawn-faces", answers=str(tmp_path / "answers.csv")))
    low, high = capsys.readouterr().out.rpartition("(")[2].partition(")")[0].split(" to ")
    expected = (
        2 * 1.96 * np.sqrt(sum(drawn_N[few["gender"] == g].var() / (few["gender"] == g).sum() for g in ("Male", "Female")))
    )
    assert float(high) - float(low) == pytest.approx(expected, rel=0.1)


def test_of_the_splits_alone_that_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, test = answered(tmp_path, FACES.examples), int((FACES.examples["split"] == "test").sum())
    truth(Truth(private="drawn-faces", answers=file, splits=("test",)))
    assert capsys.readouterr().out.startswith(f"{test:,} of {test:,} images have an answer")
    with pytest.raises(ValueError, match="has no image in --splits"):
        truth(Truth(private="drawn-faces", answers=file, splits=()))


def test_answers_to_other_images_and_unreadable_ones_are_refused(tmp_path: Path) -> None:
    file = answered(tmp_path, FACES.examples.iloc[:500])
    with pytest.raises(ValueError, match="has no answer to an image of drawn-faces"):
        truth(Truth(private="drawn-faces", answers=file, reading=Reading(field="years")))
    with pytest.raises(ValueError, match="has no attribute 'race'"):
        truth(Truth(private="drawn-faces", answers=file, figure=("race=Black",)))


def test_images_without_a_label_that_is_judged_by_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, blank = (
        answered(tmp_path, FACES.examples),
        FACES.examples.assign(gender=FACES.examples["gender"].mask(np.arange(len(FACES.examples)) < 2, "")),
    )
    monkeypatch.setattr(data, "load", lambda name: replace(FACES, examples=blank))
    with pytest.raises(ValueError, match="has 2 images without gender, which all need here; import it --without them"):
        truth(Truth(private="drawn-faces", answers=file))
    FACES.examples[["id", "gender"]].rename(columns={"id": "file"}).to_csv(tmp_path / "genders.csv", index=False)
    answers, told = str(tmp_path / "genders.csv"), Reading(kind="label")
    with pytest.raises(ValueError, match="has 2 images without gender, which all need here"):
        truth(Truth(private="drawn-faces", answers=answers, figure=("glasses=yes/no",), reading=told))
