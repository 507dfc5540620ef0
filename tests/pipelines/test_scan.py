"""The scan for attributes that go with the target."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from biasray import data, storage
from biasray.bias import label
from biasray.data.dataset import DataSet
from biasray.engine import scan as engine
from pipelines import scan
from pipelines.scan import Config, main

pytestmark = pytest.mark.usefixtures("local_ray")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> DataSet:
    """Faces with an attribute that gives the target away, except in one of ten, and one that is constant."""
    faces = data.load("drawn-faces")
    random = np.random.default_rng(0)
    gender = faces.examples["gender"]
    other = gender.map({"Male": "Female", "Female": "Male"})
    examples = faces.examples.assign(tie=gender.where(random.random(len(gender)) < 0.9, other), planet="Earth")
    dataset = dataclasses.replace(faces, examples=examples)
    monkeypatch.setattr(data, "load", lambda name: dataset)
    return dataset


def test_the_strongest_attribute_is_first_and_its_line_can_be_typed(
    made: DataSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = main(Config(data="drawn-faces", out=f"{tmp_path}/scan.json"))
    assert rows[0]["attribute"] == "tie"
    assert rows[0]["cramers_v_interval"][0] < rows[0]["cramers_v"] < rows[0]["cramers_v_interval"][1]
    assert rows[0]["pearson"] == pytest.approx(rows[0]["cramers_v"], abs=0.01)
    assert "planet" not in [row["attribute"] for row in rows]
    assert "--bias tie --align Female=Female --agreement 0.9" in capsys.readouterr().out
    assert storage.read_json(f"{tmp_path}/scan.json")["rows"][0]["attribute"] == "tie"
    train = made.examples[made.examples["split"] == "train"]
    for row in rows:  # also that of a number, cut at its middle
        align = row["room"]["align"]
        coded = label.attributes(train, "gender", row["attribute"], align, made.attributes).examples
        assert (coded["target"] == coded["bias"]).mean() == pytest.approx(row["room"]["agreement"])


def test_lines_name_what_can_be_had_and_can_be_typed(
    made: DataSet, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gender, random = made.examples["gender"], np.random.default_rng(1)
    examples = made.examples.assign(
        **{"wears <hat>": gender.map({"Male": "> 1", "Female": "0"})},  # no conflicting example at all
        stamp=20_241_000 + random.integers(0, 200, len(gender)),
        caption=[f"face {k}" for k in range(len(gender))],
        n=np.where(random.random(len(gender)) < 0.5, "a,b", "c"),
    )
    monkeypatch.setattr(data, "load", lambda name: dataclasses.replace(made, examples=examples))
    rows = {row["attribute"]: row for row in main(Config(data="my faces"))}
    said = capsys.readouterr().out
    assert "caption" not in rows
    assert "more than 100 different values each: caption" in said
    assert rows["wears <hat>"]["room"]["examples"][0.9] == 0
    assert re.search(r"wears <hat>: the fewest examples, 0, .*; no agreement can be had with", said)
    (cut,) = rows["stamp"]["room"]["align"]
    assert re.fullmatch(r"(Male|Female)=(\.\.20241\d\d\d|20241\d\d\d\.\.)", cut)
    assert rows["n"]["room"]["align"] == ()  # a map separates values by commas
    assert "try pipelines.debias --data 'my faces' --target gender --bias tie --align Female=Female --agreement 0.9" in said


def test_counts_of_several_tasks_are_those_of_the_table(made: DataSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "ROWS", 700)
    counted = engine.count_pairs(made.examples, "gender", ["age", "skin"])
    for name, found in counted.items():
        expected = pd.crosstab(made.examples["gender"], made.examples[name])
        assert (found.to_numpy() == expected.to_numpy()).all()
        assert list(found.columns) == list(expected.columns)


@pytest.mark.parametrize("values", [[1, 1, 1, 1, 9], [1, 9, 9, 9, 9], [1, 2, 3, 4, 5]])
def test_a_number_is_cut_in_two_whatever_its_values(values: list[int]) -> None:
    count = pd.crosstab(pd.Series(list("abaab")), pd.Series(values))
    part_V = scan.parts(count, 2)
    assert sorted(set(part_V)) == [0, 1]
    assert (np.diff(part_V) >= 0).all()


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (Config(data="nowhere"), "There is no data set 'nowhere'"),
        (Config(data="digits"), "has no attribute beside 'digit' that varies"),
        (Config(data="drawn-faces", target="wings"), "There is no attribute 'wings' to take as target"),
        (Config(data="drawn-faces", target="age"), "'age' is a number: choose one with named values"),
    ],
)
def test_bad_input_is_one_sentence(config: Config, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        main(config)


def test_images_without_a_label_do_not_count(made: DataSet, monkeypatch: pytest.MonkeyPatch) -> None:
    number_N = np.arange(len(made.examples))
    blank = made.examples.assign(
        gender=made.examples["gender"].mask(number_N % 2 == 0, ""),
        tie=made.examples["tie"].mask(number_N % 3 == 0, ""),
        age=made.examples["age"].mask(number_N % 5 == 0),
        beard=np.where(made.examples["gender"] == "Male", np.where(number_N % 4 < 2, "yes", "no"), ""),
    )
    monkeypatch.setattr(data, "load", lambda name: dataclasses.replace(made, examples=blank))
    train_N = (blank["split"] == "train").to_numpy() & (number_N % 2 == 1)
    row = {row["attribute"]: row for row in main(Config(data="drawn-faces"))}
    assert row["tie"]["values"] == ["Female", "Male"]
    assert row["tie"]["n"] == (train_N & (number_N % 3 > 0)).sum()
    assert row["age"]["n"] == (train_N & (number_N % 5 > 0)).sum()
    assert row["glasses"]["n"] == train_N.sum()
    assert row["beard"]["n"] == (train_N & (blank["gender"] == "Male")).sum()
