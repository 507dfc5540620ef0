from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from biasray import data
from biasray.bias.task import Prepared, Task, prepare, resolve
from biasray.data.dataset import DataSet, Images


def faces(rows: int = 2000, seed: int = 0) -> DataSet:
    random = np.random.default_rng(seed)
    examples = pd.DataFrame(
        {
            "id": [f"{i:05d}" for i in range(rows)],
            "split": random.choice(["train", "validation", "test"], rows, p=[0.7, 0.1, 0.2]),
            "hash": [f"{i:032x}" for i in range(rows)],
            "gender": random.choice(["Female", "Male"], rows),
            "race": random.choice(["Asian", "Black", "White"], rows),
            "age": random.integers(1, 90, rows),
        }
    )

    def images(rows_N: np.ndarray) -> Images:
        return np.zeros((len(rows_N), 8, 8, 3), np.uint8)

    return DataSet("faces", examples, (3, 8, 8), "gender", "race", "0", images)


def prepared(dataset: DataSet, seed: int = 0, **task: object) -> Prepared:
    return prepare(dataset, resolve(Task(**task), dataset), seed)  # type: ignore[arg-type]


def test_splits_never_share_an_example() -> None:
    for one in (prepared(faces(), agreement=0.9, align=("Male=White",)), prepared(data.load("digits"), agreement=0.9)):
        ids = [set(table["id"]) for table in one.tables.values()]
        assert sum(map(len, ids)) == len(set.union(*ids))


def test_the_test_split_is_the_same_for_all_seeds_and_the_training_split_is_not() -> None:
    for dataset, align in ((faces(), ("Male=White",)), (data.load("digits"), ())):
        one, two = (prepared(dataset, seed, agreement=0.9, align=align) for seed in (0, 1))
        pd.testing.assert_frame_equal(one.tables["test"], two.tables["test"])
        assert not one.tables["train"].equals(two.tables["train"])


def test_rows_point_at_the_examples_of_the_data_set() -> None:
    dataset = faces()
    for table in prepared(dataset, agreement=0.8, align=("Male=White",)).tables.values():
        assert list(dataset.examples["id"].iloc[table["row"]]) == list(table["id"])


def test_without_a_bias_all_examples_are_of_one_group() -> None:
    one = prepared(faces(), bias="", test="natural")
    assert (one.targets, one.biases, one.aligned) == (("Female", "Male"), ("all",), False)
    assert sum(map(len, one.tables.values())) == 2000
    with pytest.raises(ValueError, match="faces has no bias attribute of its own: give a --bias; its attributes are: gender"):
        resolve(Task(), replace(faces(), bias=""))


def test_what_is_unlearnt_is_the_bias_unless_other_attributes_are_named() -> None:
    one = prepared(faces(), agreement=0.9, align=("Male=White",))
    (of,) = one.secondary.values()
    assert list(of.table["target"]) == list(one.tables["train"]["bias"])
    assert of.values == ("race other", "race White")
    hats = np.random.default_rng(1).choice(["cap", "none", "wig"], 2000)
    two = prepared(replace(faces(), examples=faces().examples.assign(hat=hats)), unlearn=("race", "hat"))
    assert {name: of.values for name, of in two.secondary.items()} == {
        "race": ("Asian", "Black", "White"),
        "hat": ("cap", "none", "wig"),
    }
    table = two.secondary["hat"].table
    assert list(np.array(["cap", "none", "wig"])[table["target"]]) == list(hats[table["row"]])
    assert list(table["id"]) == list(two.tables["train"]["id"])


def test_training_and_validation_have_the_agreement_and_test_every_group_equally_often() -> None:
    one = prepared(faces(), agreement=0.9, align=("Male=White",))
    assert one.targets == ("Female", "Male")
    assert one.biases == ("race other", "race White")
    for split in ("train", "validation"):
        cells = one.cells(split)  # type: ignore[arg-type]
        np.testing.assert_allclose(np.diag(cells) / cells.sum(1), 0.9, atol=0.02)
    assert len(set(one.cells("test").flatten())) == 1


def test_validation_can_be_balanced_and_test_left_natural() -> None:
    one = prepared(faces(), agreement=0.9, align=("Male=White",), validation="balanced", test="natural")
    assert len(set(one.cells("validation").flatten())) == 1
    assert one.cells("test").sum() == (faces().examples["split"] == "test").sum()


def test_without_an_agreement_training_is_left_as_it_is() -> None:
    one = prepared(faces())
    assert len(one.tables["train"]) == (faces().examples["split"] == "train").sum()
    assert not one.aligned
    assert one.biases == ("Asian", "Black", "White")


def test_only_a_part_can_be_learnt_from_and_test_is_left_as_it_is() -> None:
    given, examples = "race=White,gender=Male:0.9", faces().examples
    whole, biased = prepared(faces(), test="natural"), prepared(faces(), only=given, test="natural")
    for split, close in (("train", 0.01), ("validation", 0.05)):
        rows = examples.iloc[biased.tables[split]["row"]]  # type: ignore[index]
        assert set(rows["race"]) == {"White"}
        assert (rows["gender"] == "Male").mean() == pytest.approx(0.9, abs=close)
    assert biased.tables["test"]["id"].tolist() == whole.tables["test"]["id"].tolist()
    even = prepared(faces(), only=given, validation="balanced", test="natural")
    assert len(set(examples["race"].iloc[even.tables["validation"]["row"]])) == 3


def test_a_number_becomes_two_bias_groups_by_a_bound() -> None:
    one = prepared(faces(), bias="age", align=("Female=..40",), agreement=0.8)
    table = one.tables["train"]
    assert ((table["age"] < 40) == (table["bias"] == one.targets.index("Female"))).all()


def test_coloured_digits_keep_their_own_agreement_and_a_colour_for_each_example() -> None:
    one = prepared(data.load("digits"), agreement=0.9)
    assert one.shape == (3, 28, 28)
    table = one.tables["train"]
    assert abs((table["target"] == table["bias"]).mean() - 0.9) < 0.02
    assert table[["red", "green", "blue"]].notna().all(axis=None)


def test_the_number_of_training_examples_can_be_given() -> None:
    assert len(prepared(faces(), agreement=0.9, align=("Male=White",), examples=200).tables["train"]) == 200
    assert len(prepared(data.load("digits"), agreement=0.9, examples=100).tables["train"]) == 100


@pytest.mark.parametrize(
    ("task", "says"),
    [
        ({"agreement": 0.9}, "needs a map: give --align"),
        ({"agreement": 1.5, "align": ("Male=White",)}, "share from 0 to 1"),
        ({"agreement": 0.9, "align": ("Male=White",), "examples": 100_000}, "at most .* short"),
        ({"bias": "colour", "agreement": 0.9}, "Only grey images can be coloured"),
        ({"bias": "hat"}, "no attribute 'hat'.*gender, race, age"),
        ({"target": "age"}, "is a number"),
        ({"bias": "gender"}, "choose two attributes"),
        ({"unlearn": ("gender",)}, "--unlearn gender: it is what is to be learnt"),
        ({"unlearn": ("age",)}, "'age' is a number: choose one with named values as the attribute to unlearn"),
        ({"only": "gender=Male"}, "--only gender=Male leaves no training image of Female"),
        ({"unlearn": ("hat",)}, "no attribute 'hat' to take as attribute to unlearn"),
    ],
)
def test_what_the_faces_cannot_give_is_refused_with_what_to_do(task: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        prepared(faces(), **task)


@pytest.mark.parametrize(
    ("task", "says"),
    [
        ({}, "need an --agreement"),
        ({"agreement": 0.9999}, "leaves no conflicting example"),
        ({"agreement": 0.9, "align": ("1=2",)}, "--align has no effect"),
        ({"agreement": 0.9, "test": "natural"}, "no natural colours"),
        ({"agreement": 0.9, "examples": 5000}, "cannot be had: there are"),
    ],
)
def test_what_the_digits_cannot_give_is_refused_with_what_to_do(task: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        prepared(data.load("digits"), **task)


def test_a_group_without_an_example_is_named() -> None:
    dataset = faces()
    some = dataset.examples[(dataset.examples["gender"] == "Male") | (dataset.examples["race"] != "White")]
    less = DataSet("faces", some.reset_index(drop=True), dataset.shape, "gender", "race", "0", dataset.images)
    with pytest.raises(ValueError, match=r"test split of faces: No balanced set.*0 Female"):
        prepared(less)


def test_a_data_set_without_one_of_the_splits_is_refused() -> None:
    dataset = faces()
    some = dataset.examples[dataset.examples["split"] != "validation"]
    less = DataSet("faces", some, dataset.shape, "gender", "race", "0", dataset.images)
    with pytest.raises(ValueError, match="no validation examples"):
        prepared(less)


def coloured_digits() -> DataSet:
    """Images that come with their colours: of each digit eight aligned, two of another colour."""
    one = faces(3000)
    code = np.arange(3000) % 3
    colour = np.where(np.arange(3000) // 3 % 5 < 4, code, (code + 1 + np.arange(3000) // 3 % 2) % 3)
    table = one.examples[["id", "split", "hash"]].assign(digit=code.astype(str), colour=colour.astype(str))
    return DataSet("cmnist", table, one.shape, "digit", "colour", "0", one.images)


def test_images_that_come_coloured_are_taken_as_they_are_and_digit_k_goes_with_colour_k() -> None:
    one = prepared(coloured_digits(), test="natural")
    assert "red" not in one.tables["train"]
    assert (one.targets, one.biases, one.aligned) == (("0", "1", "2"), ("0", "1", "2"), True)
    cells = one.cells("train")
    assert (np.diag(cells) > 2 * (cells.sum(1) - np.diag(cells))).all()
    assert resolve(Task(colour_std=0.1), coloured_digits()).colour_std is None
    biased = prepared(coloured_digits(), agreement=0.9)
    assert biased.cells("train").trace() / len(biased.tables["train"]) == pytest.approx(0.9, abs=0.02)


def test_faces_are_not_aligned_by_themselves_and_grey_digits_are_coloured() -> None:
    assert not prepared(faces()).aligned
    assert "red" in prepared(data.load("digits"), agreement=0.9).tables["train"]
