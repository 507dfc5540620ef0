import numpy as np
import pandas as pd
import pytest

from biasray.bias.cells import cells
from biasray.bias.subset import shuffle_targets, subset
from biasray.random import rng
from tests.bias.tables import table

FACES = pd.DataFrame(
    {
        "race": ["East Asian", "White", "East Asian", "Black"],
        "gender": ["Female", "Female", "Male", "Male"],
        "age": [20, 30, 40, 30],
    }
)


def test_subset_takes_examples_with_all_values() -> None:
    assert list(subset(FACES, {"race": "East Asian"})["age"]) == [20, 40]
    got = subset(FACES, {"race": "East Asian", "gender": "Male"})
    assert (list(got["age"]), list(got.index)) == ([40], [0])


def test_subset_by_a_number_takes_its_text() -> None:
    assert len(subset(FACES, {"age": "30"})) == 2


def test_subset_by_nothing_is_the_whole() -> None:
    assert subset(FACES, {}).equals(FACES)


def test_subset_by_an_unknown_attribute_lists_those_there_are() -> None:
    with pytest.raises(ValueError, match="no attribute 'hair'; the data set has: race, gender, age"):
        subset(FACES, {"hair": "dark"})


def test_an_empty_subset_names_what_was_asked() -> None:
    with pytest.raises(ValueError, match="No example has race = Black and gender = Female"):
        subset(FACES, {"race": "Black", "gender": "Female"})


@pytest.mark.parametrize("share", [0, 0.3, 1])
@pytest.mark.parametrize("bias", [None, 0, 1])
def test_shuffling_keeps_the_counts_and_touches_the_group_only(share: float, bias: int | None) -> None:
    examples = table([[90, 40], [30, 60]])
    got = shuffle_targets(examples, share, rng(0), bias)
    assert list(got["bias"]) == list(examples["bias"])
    assert sorted(got["target"]) == sorted(examples["target"])
    if bias is not None:
        np.testing.assert_array_equal(cells(got, 2, 2), cells(examples, 2, 2))
    changed = got["target"] != examples["target"]
    assert changed.sum() <= share * len(examples)
    assert changed.any() == (share > 0)
    assert bias is None or (examples["bias"][changed] == bias).all()


def test_shuffling_all_targets_breaks_their_tie_to_the_bias() -> None:
    got = shuffle_targets(table([[500, 0], [0, 500]]), 1, rng(0))
    assert (got["target"] == got["bias"]).mean() == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_shuffling_refuses_what_is_no_share(share: float) -> None:
    with pytest.raises(ValueError, match="share is from 0 to 1"):
        shuffle_targets(table([[2, 2]]), share, rng(0))
