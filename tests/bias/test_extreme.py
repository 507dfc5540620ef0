"""Sets for unlearning: what is in them, and that nothing is in two."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from biasray.bias.extreme import BALANCED, COMPLEMENT, Sets, divided
from biasray.bias.task import Task, prepare
from biasray.data.dataset import DataSet
from tests.bias.test_task import faces


def made(train: Any = "extreme", rows: int = 4000, **fields: Any) -> DataSet:
    return divided(faces(rows), "age", "gender", Sets(train=train, **fields))


def young(examples: pd.DataFrame) -> pd.Series:
    return (examples["age"] >= 16) & (examples["age"] < 36)


def old(examples: pd.DataFrame) -> pd.Series:
    return (examples["age"] >= 40) & (examples["age"] < 71)


def test_the_extreme_set_has_young_women_and_old_men_alone_and_the_complement_the_others() -> None:
    examples = made().examples
    woman = examples["gender"] == "Female"
    learnt, complement = examples["split"] != "test", examples["set"] == COMPLEMENT
    assert ((woman & young(examples)) | (~woman & old(examples)))[learnt].all()
    assert ((woman & old(examples)) | (~woman & young(examples)))[complement].all()
    assert learnt.sum() > 500
    assert complement.sum() > 300


def test_ages_that_both_are_learnt_at_are_no_complement() -> None:
    examples = made(extreme=("Female=16..50", "Male=40..71")).examples
    complement = examples[examples["set"] == COMPLEMENT]
    ages = complement.groupby("gender")["age"].agg(["min", "max"])
    assert ages.loc["Female"].tolist() == [50, 70]
    assert ages.loc["Male"].tolist() == [16, 39]


@pytest.mark.parametrize("train", ["extreme", "original", "balanced"])
def test_the_balanced_set_has_as_many_of_each_in_every_bin_and_no_image_is_learnt_from_and_tested_on(train: str) -> None:
    before, examples = faces(4000).examples.set_index("id"), made(train).examples
    balanced = examples[examples["set"] == BALANCED]
    counts = pd.crosstab(balanced["age bin"], balanced["gender"])
    assert (counts["Female"] == counts["Male"]).all()
    assert len(counts) == (13 if train == "extreme" else 14)  # nobody of 36 to 39 is in the extreme set
    assert examples["id"].is_unique
    assert set(examples[examples["split"] == "test"]["set"]) == {BALANCED, COMPLEMENT}
    assert (examples[examples["split"] != "test"]["set"] == "").all()
    was = before.loc[examples["id"], "split"].to_numpy()
    assert (was[examples["split"] == "train"] == "train").all()
    assert (was[examples["split"] == "validation"] == "validation").all()
    if train != "extreme":  # every kind of image is learnt from, so those for tests alone are left
        assert (was[examples["split"] == "test"] == "test").all()


def test_the_balanced_set_leaves_half_of_the_complement_to_that() -> None:
    examples = made().examples
    woman = examples["gender"] == "Female"
    shared = examples[(woman & old(examples)) | (~woman & young(examples))]
    counts = pd.crosstab([shared["gender"], shared["age bin"]], shared["set"])
    assert (counts[COMPLEMENT] >= counts[BALANCED]).all()
    assert counts[BALANCED].min() > 0


def test_values_that_are_not_named_are_in_no_set() -> None:
    part = divided(faces(4000), "age", "race", Sets(extreme=("Asian=16..36", "Black=40..71")))
    assert set(part.examples["race"]) == {"Asian", "Black"}


def test_a_training_set_that_is_balanced_has_as_many_of_each_in_every_bin() -> None:
    examples = made("balanced").examples
    for split in ("train", "validation"):
        mine = examples[examples["split"] == split]
        counts = pd.crosstab(mine["age bin"], mine["gender"])
        assert (counts["Female"] == counts["Male"]).all()
        assert len(mine) > 100


def test_bins_stand_in_the_order_of_age_and_rows_show_their_own_images() -> None:
    whole = faces(4000)

    def images(rows_N: np.ndarray) -> np.ndarray:
        return np.broadcast_to((rows_N % 251).astype(np.uint8)[:, None, None, None], (len(rows_N), 8, 8, 3))

    for dataset in (replace(whole, images=images), replace(whole, store=images(np.arange(4000)))):
        part = divided(
            replace(dataset, reading=np.arange(4000)[::-1]), "age", "gender", Sets(bins=(4, 88, 7), train="original")
        )
        at = whole.examples.set_index("id").index.get_indexer(part.examples["id"])
        rows_N = np.array([5, 700, 3])
        np.testing.assert_array_equal(part.take(rows_N)[:, 0, 0, 0], at[rows_N] % 251)
        assert part.reading is not None
        np.testing.assert_array_equal(np.sort(part.reading), np.arange(len(part.examples)))
        assert (np.diff(at[part.reading]) < 0).all()
        names = prepare(part, Task(target="age bin", bias="gender", test="natural"), 0).targets
        assert names[:2] == ("04-10", "11-17")
        assert names == tuple(sorted(names, key=lambda name: int(name[:2])))


def test_the_checksum_is_of_the_sets_too() -> None:
    assert len({made().checksum, made("original").checksum, made(bins=(20, 60, 4)).checksum, faces(4000).checksum}) == 4
    assert made().checksum == made().checksum


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"bins": (16, 71, 4)}, "--bins 16 71 4: give where the first begins, where the last ends, and a width that fits"),
        ({"bins": (72, 16, 4)}, "--bins 72 16 4"),
        ({"bins": (16, 120, 4)}, "--bins: there is no example of 92 to 95; age is 1 to 89"),
        ({"extreme": ("Female=16..36",)}, "--extreme needs targets for two values of gender or more"),
        (
            {"extreme": ("Women=16..36", "Male=40..")},
            "--extreme Women=16..36 is not VALUE=TARGETS with a gender of Female, Male",
        ),
        ({"extreme": ("Female=young", "Male=40..")}, "--extreme Female=young: 'age' is a number, so give a range"),
        ({"extreme": ("Female=100..", "Male=40..")}, "--extreme Female=100.. matches no example; 'age' is 1 to 89"),
    ],
    ids=str,
)
def test_what_cannot_be_had_is_one_sentence(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(says)}[^\n]*$"):
        made(**fields)


@pytest.mark.parametrize(
    ("target", "attribute", "says"),
    [
        ("age", "hat", "There is no attribute 'hat' to take as attribute to unlearn"),
        ("weight", "gender", "There is no attribute 'weight' to take as target"),
        ("race", "age", "Attribute 'age' is a number: choose one with named values to unlearn"),
        ("race", "race", "'race' cannot be learnt and unlearnt at once"),
    ],
)
def test_attributes_that_do_not_fit_are_refused(target: str, attribute: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        divided(faces(), target, attribute, Sets())


def test_a_balanced_set_of_a_handful_and_names_that_are_taken_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^The balanced set would have \d+ images, and 100 are needed"):
        made(rows=300)
    taken = replace(faces(), examples=faces().examples.assign(**{"age bin": "x"}))
    with pytest.raises(ValueError, match="has an attribute 'age bin', a name that is needed here"):
        divided(taken, "age", "gender", Sets())


def test_a_target_with_names_is_its_own_bins() -> None:
    part = divided(faces(4000), "race", "gender", Sets(extreme=("Female=Asian", "Male=Black,White")))
    learnt = part.examples[part.examples["split"] == "train"]
    assert set(zip(learnt["gender"], learnt["race bin"], strict=True)) == {
        ("Female", "Asian"),
        ("Male", "Black"),
        ("Male", "White"),
    }


def test_images_without_age_or_gender_are_in_no_set() -> None:
    dataset = faces(4000)
    blank_N = np.arange(4000) % 5 == 0
    examples = dataset.examples.assign(gender=dataset.examples["gender"].mask(blank_N, ""))
    examples["age"] = examples["age"].mask(np.arange(4000) % 7 == 0)
    got = divided(replace(dataset, examples=examples), "age", "gender", Sets()).examples
    assert len(got) > 500
    assert set(got["gender"]) == {"Female", "Male"}
    assert got["age"].notna().all()
    assert (got["age bin"] != "").all()
    with pytest.raises(ValueError, match="Attribute 'age' is a number: choose one with named values to unlearn"):
        divided(replace(dataset, examples=examples), "gender", "age", Sets())
