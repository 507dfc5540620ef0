import numpy as np
import pandas as pd
import pytest

from biasray.bias import label
from biasray.bias.agreement import agreement
from biasray.bias.cells import balanced
from biasray.bias.room import room

TARGETS, VALUES = ("Female", "Male"), ("Asian", "Black", "White")
COUNT_TV = np.array([[40, 30, 50], [20, 35, 90]])


def table() -> pd.DataFrame:
    rows = [(t, v) for i, t in enumerate(TARGETS) for j, v in enumerate(VALUES) for _ in range(COUNT_TV[i, j])]
    return pd.DataFrame(rows, columns=["gender", "race"]).assign(id=range(COUNT_TV.sum()))


def test_its_map_and_sizes_are_those_that_a_comparison_then_has() -> None:
    found = room(COUNT_TV, TARGETS, VALUES)
    assert found.align == ("Female=Asian,Black",)  # 40 of 120 and 30 of 120, against 20 and 35 of 145
    labelled = label.attributes(table(), "gender", "race", found.align, ["gender", "race"])
    examples, drawn = labelled.examples, np.random.default_rng(0)
    assert (examples["target"] == examples["bias"]).mean() == pytest.approx(found.agreement)
    for rho, n in found.examples.items():
        assert len(agreement(examples, 2, 2, rho, drawn)) == n
        with pytest.raises(ValueError, match=f"at most {n}"):
            agreement(examples, 2, 2, rho, drawn, n + 2)


def test_the_balanced_table_is_that_of_all_pairs() -> None:
    found = room(COUNT_TV, TARGETS, VALUES)
    assert (found.smallest, found.n, found.balanced) == (("Male", "Asian"), 20, 120)
    coded = label.attributes(table(), "gender", "race", (), ["gender", "race"]).examples
    assert len(balanced(coded, 2, 3, np.random.default_rng(0))) == 120


def test_no_map_is_offered_where_a_target_gets_no_value() -> None:
    found = room(np.array([[10, 0], [5, 20], [4, 20]]), ("a", "b", "c"), ("x", "y"))
    assert (found.align, found.examples, found.balanced) == ((), {}, 0)
