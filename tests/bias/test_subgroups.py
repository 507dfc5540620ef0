"""Groups of images by several attributes at once."""

import numpy as np
import pandas as pd

from biasray.bias.subgroups import subgroups
from biasray.data.ages import bands

FACES = pd.DataFrame(
    {
        "gender": ["Female", "Male"] * 6,
        "race": ["Asian"] * 4 + ["Black"] * 7 + [""],
        "age": [2.0, 3, 9, 10, 19, 39, 40, 69, 70, 116, 33, np.nan],
    }
)


def test_groups_are_by_each_attribute_and_all_their_combinations() -> None:
    found = {g.name: g for g in subgroups(FACES, ("gender", "race"), 1)}
    assert set(found) == {
        "Female", "Male", "Asian", "Black", "Female, Asian", "Female, Black", "Male, Asian", "Male, Black",
    }  # fmt: skip
    assert found["Male, Black"].row_G.tolist() == [5, 7, 9]
    assert found["Male, Black"].attributes == ("gender", "race")
    assert found["Asian"].row_G.tolist() == [0, 1, 2, 3]


def test_small_groups_and_images_without_a_label_are_left_out() -> None:
    found = {g.name: len(g.row_G) for g in subgroups(FACES, ("gender", "race"), 4)}
    assert found == {"Female": 6, "Male": 6, "Asian": 4, "Black": 7, "Female, Black": 4}


def test_ages_are_grouped_by_bands_and_other_numbers_by_quarters() -> None:
    want = ["0-2", "3-9", "3-9", "10-19", "10-19", "30-39", "40-49", "60-69", "more than 70", "more than 70", "30-39", ""]
    assert bands(FACES["age"]).tolist() == want
    assert bands(pd.Series(["30-39", "more than 70", "", "0-2"])).tolist() == ["30-39", "more than 70", "", "0-2"]
    assert "30-39" in {g.name for g in subgroups(FACES, ("age",), 2)}
    heights = pd.DataFrame({"height": np.arange(100)})
    quarters = subgroups(heights, ("height",), 1)
    assert [len(g.row_G) for g in quarters] == [25, 25, 25, 25]
    assert quarters[0].name == "height -0.001 to 24.75"


def test_an_attribute_that_is_named_twice_counts_once() -> None:
    assert len(subgroups(FACES, ("gender", "gender"), 1)) == 2
