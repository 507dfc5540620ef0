"""Members of a spec: how many of each, what they share, what cannot be."""

from typing import Any

import pandas as pd
import pytest

from biasray.zoo.digits import rows
from biasray.zoo.spec import DigitZoo, fingerprint
from tests.zoo.members import DIGITS


def table(**fields: Any) -> pd.DataFrame:
    return pd.DataFrame([m.describe() for m in DigitZoo(**fields).expand(DIGITS, "float32", 0)])


def test_levels_are_even_in_each_half_and_a_sixth_learns_from_the_second() -> None:
    found = table(members=48)
    assert found.groupby(["half", "level"]).size().tolist() == [10] * 4 + [2] * 4


def test_halves_hold_other_images_and_no_test_image() -> None:
    first, second = set(rows(DIGITS, "first")), set(rows(DIGITS, "second"))
    assert not first & second
    assert set(DIGITS.examples["split"].iloc[sorted(first | second)]) == {"train", "validation"}
    assert len(first) + len(second) == (DIGITS.examples["split"] != "test").sum()


@pytest.mark.parametrize(("how", "numbers"), [("shared", 1), ("split", 2), ("independent", 24)])
def test_initial_weights_are_shared_as_asked(how: str, numbers: int) -> None:
    assert len(table(members=24, init=how)["init"].unique()) == numbers


def test_several_hyperparameters_are_crossed_with_the_levels() -> None:
    found = table(members=32, second_half=0, lr=(1e-3, 1e-2), epochs=(1, 2))
    assert found.groupby(["lr", "epochs", "level"]).size().tolist() == [2] * 16


def test_the_hash_is_of_the_members() -> None:
    one = DigitZoo(members=8).expand(DIGITS, "float32", 0)
    assert fingerprint(one) == fingerprint(DigitZoo(members=8, second_half=1).expand(DIGITS, "float32", 0))
    assert fingerprint(one) != fingerprint(DigitZoo(members=8).expand(DIGITS, "float32", 1))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"members": 0}, "give 1 or more"),
        ({"members": 8, "second_half": 9}, "no more in the half"),
        ({"members": 8, "images": 100_000}, "--images must be 1 to"),
        ({"members": 8, "networks": ("digits",)}, "Unknown network 'digits'"),
        ({"members": 8, "levels": (-1.0,)}, "--levels are variances"),
        ({"members": 8, "lr": (0.0,)}, "--lr and --brightest above 0"),
        ({"members": 8, "lr": ()}, "--lr needs a value"),
        ({"members": 8, "networks": ()}, "--networks needs a value"),
        ({"members": 8, "levels": (float("nan"),)}, "--levels are variances"),
        ({"members": 48, "init": "shared", "jitter": "shared", "order": "shared"}, "would be the same model"),
    ],
)
def test_what_makes_no_zoo_is_one_sentence(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        table(**fields)
