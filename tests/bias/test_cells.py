import numpy as np
import pandas as pd
import pytest

from biasray.bias.agreement import agreement
from biasray.bias.cells import balanced, cells, choose, group_ratio
from biasray.bias.colour import coloured
from biasray.bias.subset import shuffle_targets, subset
from biasray.random import rng
from tests.bias.tables import table

HAVE = [[90, 40], [30, 60]]


def test_cells_counts_targets_by_row_and_biases_by_column() -> None:
    np.testing.assert_array_equal(cells(table([[1, 2, 3], [4, 0, 6]]), 2, 3), [[1, 2, 3], [4, 0, 6]])


@pytest.mark.parametrize(("targets", "biases"), [(1, 3), (2, 2)])
def test_cells_never_counts_a_code_out_of_range_as_another_group(targets: int, biases: int) -> None:
    with pytest.raises(AssertionError):
        cells(table([[1, 2, 3], [4, 0, 6]]), targets, biases)


def test_cells_of_small_integer_codes_do_not_overflow() -> None:
    examples = pd.DataFrame({"target": np.array([0, 15, 15], np.int8), "bias": np.array([0, 14, 15], np.int8)})
    got = cells(examples, 16, 16)
    assert (got[0, 0], got[15, 14], got[15, 15], got.sum()) == (1, 1, 1, 3)


def test_exact_gives_just_what_is_asked_and_nothing_of_other_cells() -> None:
    got = choose(table(HAVE), {(0, 0): 30, (1, 1): 20, (1, 0): 10}, rng(0))
    np.testing.assert_array_equal(cells(got, 2, 2), [[30, 0], [10, 20]])


def test_exact_of_a_table_of_two_rows() -> None:
    got = choose(pd.DataFrame({"target": [0, 1], "bias": [1, 0]}), {(0, 1): 1}, rng(0))
    assert got.to_dict("records") == [{"target": 0, "bias": 1}]


def test_exact_refuses_with_how_far_short_every_cell_is() -> None:
    with pytest.raises(ValueError, match="Ask for fewer") as caught:
        choose(table(HAVE), {(0, 0): 3000, (1, 1): 60, (1, 0): 31}, rng(0))
    assert "target 0 with bias 0: 3,000 wanted, 90 there; target 1 with bias 0: 31 wanted, 30 there" in str(caught.value)


def test_exact_nearest_takes_all_that_there_is() -> None:
    got = choose(table(HAVE), {(0, 0): 3000, (1, 0): 10}, rng(0), nearest=True)
    np.testing.assert_array_equal(cells(got, 2, 2), [[90, 0], [10, 0]])


def test_chosen_rows_are_different_rows_in_the_order_of_the_table() -> None:
    got = choose(table(HAVE), {(0, 0): 50, (1, 1): 50}, rng(0))
    assert got["id"].is_unique
    assert got["id"].is_monotonic_increasing
    assert list(got.index) == list(range(100))


def test_every_example_of_a_cell_can_be_chosen() -> None:
    examples = table([[4, 1], [1, 1]])
    seen = {name for seed in range(40) for name in choose(examples, {(0, 0): 1}, rng(seed))["id"]}
    assert len(seen) == 4


def test_balanced_is_as_large_as_the_smallest_cell() -> None:
    np.testing.assert_array_equal(cells(balanced(table(HAVE), 2, 2, rng(0)), 2, 2), [[30, 30], [30, 30]])


def test_balanced_of_a_size_divides_it_among_the_cells() -> None:
    np.testing.assert_array_equal(cells(balanced(table(HAVE), 2, 2, rng(0), size=43), 2, 2), [[10, 10], [10, 10]])


def test_balanced_names_the_cell_that_is_empty() -> None:
    with pytest.raises(ValueError, match="no example of target 1 with bias 0; merge"):
        balanced(table([[5, 5], [0, 5]]), 2, 2, rng(0))


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.7, 0.9])
def test_group_ratio_has_the_shares_at_equal_size(share: float) -> None:
    got = group_ratio(table([[90, 90], [60, 60]]), {0: share, 1: 1 - share}, 100, rng(0))
    np.testing.assert_array_equal(cells(got, 2, 2).sum(0), [round(100 * share), 100 - round(100 * share)])


@pytest.mark.parametrize("size", [5, 7, 10, 11, 13])
@pytest.mark.parametrize("shares", [{0: 0.5, 1: 0.5}, {0: 1 / 3, 1: 1 / 3, 2: 1 / 3}, {0: 0.15, 1: 0.15, 2: 0.7}])
def test_group_ratio_keeps_the_size_when_shares_do_not_divide_it(size: int, shares: dict[int, float]) -> None:
    got = group_ratio(table([[20, 20, 20]]), shares, size, rng(0))
    assert len(got) == size
    for b, share in shares.items():
        assert abs((got["bias"] == b).sum() - share * size) < 1


def test_group_ratio_refuses_what_is_not_there() -> None:
    with pytest.raises(ValueError, match=r"share of 0\.9 of 150 needs 135 examples of bias 0; there are 120"):
        group_ratio(table(HAVE), {0: 0.9, 1: 0.1}, 150, rng(0))


def test_group_ratio_nearest_keeps_the_shares_and_shrinks() -> None:
    got = group_ratio(table(HAVE), {0: 0.8, 1: 0.2}, 1000, rng(0), nearest=True)
    np.testing.assert_array_equal(cells(got, 2, 2).sum(0), [120, 30])


@pytest.mark.parametrize("shares", [{0: 0.9, 1: 0.2}, {0: 1.1, 1: -0.1}])
def test_group_ratio_refuses_shares_that_are_none(shares: dict[int, float]) -> None:
    with pytest.raises(ValueError, match="0 or more and sum to 1"):
        group_ratio(table(HAVE), shares, 10, rng(0))


MAKERS = {
    "agreement": lambda t, r: agreement(t, 2, 2, 0.8, r),
    "balanced": lambda t, r: balanced(t, 2, 2, r),
    "exact": lambda t, r: choose(t, {(0, 1): 7, (1, 1): 9}, r),
    "group_ratio": lambda t, r: group_ratio(t, {0: 0.3, 1: 0.7}, 50, r),
    "coloured": lambda t, r: coloured(t, 2, 0.9, r),
    "shuffle_targets": lambda t, r: shuffle_targets(t, 0.5, r, bias=1),
    "subset": lambda t, r: subset(t, {"bias": "1"}),
}


@pytest.mark.parametrize("maker", MAKERS)
def test_the_table_given_is_not_modified(maker: str) -> None:
    examples = table(HAVE)
    before = examples.copy(deep=True)
    got = MAKERS[maker](examples, rng(0))
    got.loc[:, "target"] = 1
    pd.testing.assert_frame_equal(examples, before)


@pytest.mark.parametrize("maker", MAKERS)
def test_the_same_key_gives_the_same_table_and_other_columns_change_nothing(maker: str) -> None:
    examples = table(HAVE)
    noise = np.random.default_rng(5).random(len(examples))
    got = MAKERS[maker](examples, rng(3))
    pd.testing.assert_frame_equal(got, MAKERS[maker](examples, rng(3)))
    wider = examples.assign(noise=noise)[["noise", "bias", "id", "target"]].set_index(pd.Index(np.arange(len(examples)) * 3))
    again = MAKERS[maker](wider, rng(3))
    pd.testing.assert_frame_equal(got, again[list(got.columns)].reset_index(drop=True))


@pytest.mark.parametrize("maker", [m for m in MAKERS if m != "subset"])
def test_another_key_gives_another_table(maker: str) -> None:
    assert not MAKERS[maker](table(HAVE), rng(0)).equals(MAKERS[maker](table(HAVE), rng(1)))
