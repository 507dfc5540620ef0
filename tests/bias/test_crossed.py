"""Data sets tested beside the one that is learnt from."""

import re
from dataclasses import replace

import numpy as np
import pytest

from biasray.bias.crossed import SET, crossed
from biasray.bias.task import Task, prepare
from biasray.data.dataset import DataSet, Images
from tests.bias.test_task import faces


def numbered(first: int, rows: int, seed: int, **fields: object) -> DataSet:
    """Faces whose every pixel is their number."""

    def images(row_R: np.ndarray) -> Images:
        return np.broadcast_to((first + row_R)[:, None, None, None] % 256, (len(row_R), 8, 8, 3)).astype(np.uint8)

    made = faces(rows, seed)
    examples = made.examples.assign(hash=[f"{first + k:032x}" for k in range(rows)])
    return replace(made, examples=examples, images=images, **fields)  # type: ignore[arg-type]


A, B = numbered(0, 300, 0), numbered(200, 300, 1)  # 100 images are in both


def test_no_image_that_is_learnt_from_is_tested_on() -> None:
    made = crossed(A, {"a": A, "b": B}, "gender")
    examples = made.dataset.examples
    learnt, test = examples[examples["split"] != "test"], examples[examples["split"] == "test"]
    assert set(learnt["id"]) == set(A.examples["id"][A.examples["split"] != "test"])
    assert not set(learnt["hash"]) & set(test["hash"])
    tested = B.examples[B.examples["split"] == "test"]
    assert made.twins["a"] == 0
    assert made.twins["b"] == tested["hash"].isin(learnt["hash"]).sum() > 0
    assert (test[SET] == "b").sum() == len(tested) - made.twins["b"]
    assert (test[SET] == "a").sum() == (A.examples["split"] == "test").sum()


def test_images_stay_with_their_examples() -> None:
    dataset = crossed(A, {"b": B, "a": A}, "gender").dataset
    row_R = np.random.default_rng(0).permutation(len(dataset.examples))
    number_R = np.array([int(text, 16) for text in dataset.examples["hash"].iloc[row_R]])
    np.testing.assert_array_equal(dataset.take(row_R)[:, 0, 0, 0], number_R % 256)
    table = prepare(dataset, Task(target="gender", bias="", test="natural"), 0).tables["test"]
    assert list(dataset.examples["id"].iloc[table["row"]]) == list(table["id"])
    assert set(table["id"].str[:3]) == {"a: ", "b: "}


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (replace(B, shape=(3, 16, 16)), "Images of faces are (3, 8, 8), those of faces (3, 16, 16); import alike."),
        (
            replace(B, examples=B.examples.assign(gender=B.examples["gender"].where(B.examples["split"] != "test", ""))),
            "b has no image to test on: of its test split none has a label of gender",
        ),
        (replace(B, examples=B.examples.drop(columns="gender")), "faces has no attribute 'gender'; it has: race, age."),
        (
            replace(B, examples=B.examples.assign(gender=B.examples["gender"].str.lower())),
            "gender is Female, Male in faces and female, male in faces; name them alike.",
        ),
        (replace(B, examples=B.examples.assign(gender=np.arange(300))), "'gender' of faces is a number"),
    ],
)
def test_data_sets_that_do_not_fit_together_are_refused(other: DataSet, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        crossed(A, {"a": A, "b": other}, "gender")
