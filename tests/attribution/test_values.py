import numpy as np
import pandas as pd
import pytest

from biasray.attribution.values import values

EXAMPLES = pd.DataFrame(
    {
        "hat": ["yes", "", "no", None, "yes", "no"],
        "age": [5.0, 20.0, np.nan, 39.0, 40.0, 80.0],
        "one": ["a", "a", "", "a", "a", "a"],
    }
)
KNOWN = list(EXAMPLES.columns)


def test_images_without_a_label_have_no_code() -> None:
    found = values(EXAMPLES, "hat", KNOWN)
    assert found.names == ("no", "yes")
    assert found.codes(EXAMPLES).tolist() == [1, -1, 0, -1, 1, 0]


def test_numbers_fall_into_groups_and_what_is_outside_has_no_code() -> None:
    found = values(EXAMPLES, "age", KNOWN, (10, 40, 60))
    assert found.names == ("10 to 40", "40 to 60")
    assert found.codes(EXAMPLES).tolist() == [-1, 0, -1, 0, 1, -1]


def test_numbers_without_edges_fall_into_quarters() -> None:
    ages = pd.DataFrame({"age": np.arange(100)})
    codes_N = values(ages, "age", ["age"]).codes(ages)
    assert np.bincount(codes_N).tolist() == [24, 25, 25, 26]


def test_codes_of_other_data_have_the_same_meaning() -> None:
    found = values(EXAMPLES, "hat", KNOWN)
    assert found.codes(pd.DataFrame({"hat": ["yes", "cap"]})).tolist() == [1, -1]
    assert found.codes(pd.DataFrame({"other": [1, 2, 3]})).tolist() == [-1, -1, -1]


@pytest.mark.parametrize(
    ("attribute", "edges", "said"),
    [
        ("cap", (), "no attribute 'cap'"),
        ("one", (), "one value only"),
        ("age", (0, 50, 90, 120), "no example has age 90 to 120"),
        ("age", (50, 0, 90), "each above the one before"),
        ("age", (0, 90), "three numbers or more"),
    ],
)
def test_attributes_that_cannot_be_told_are_refused(attribute: str, edges: tuple[float, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        values(EXAMPLES, attribute, KNOWN, edges)
