import numpy as np
import pytest

from biasray.bias.agreement import agreement, of_ratio, spread
from biasray.bias.cells import cells
from biasray.random import rng
from tests.bias.tables import table

PLENTY = [[1000, 1000], [1000, 1000]]


@pytest.mark.parametrize("rho", [0, 0.5, 0.8, 0.95, 0.99, 0.995, 1])
def test_agreement_is_exact_for_every_target(rho: float) -> None:
    got = cells(agreement(table(PLENTY), 2, 2, rho, rng(0), size=1000), 2, 2)
    aligned = round(500 * rho)
    np.testing.assert_array_equal(got, [[aligned, 500 - aligned], [500 - aligned, aligned]])


def test_conflicting_examples_are_spread_evenly_over_the_other_values() -> None:
    got = cells(agreement(table([[500] * 5] * 5), 5, 5, 0.7, rng(0), size=2000), 5, 5)
    np.testing.assert_array_equal(np.diag(got), 280)
    np.testing.assert_array_equal(got[~np.eye(5, dtype=bool)], 30)


def test_a_remainder_is_spread_by_at_most_one() -> None:
    got = cells(agreement(table([[200] * 5] * 5), 5, 5, 0.9, rng(0), size=505), 5, 5)
    np.testing.assert_array_equal(np.diag(got), 91)
    np.testing.assert_array_equal(got.sum(1), 101)
    assert set(got[~np.eye(5, dtype=bool)]) == {2, 3}


def test_the_remainder_falls_anywhere_but_on_the_aligned_value() -> None:
    drawn = np.array([spread(101, 1, 5, 0.9, rng(seed)) for seed in range(60)])
    assert (drawn[:, 1] == 91).all()
    assert (drawn.sum(1) == 101).all()
    assert ((drawn == 3).sum(0)[[0, 2, 3, 4]] > 0).all()


@pytest.mark.parametrize("rho", [0.05, 0.5, 0.9, 0.97])
def test_without_a_size_the_table_is_the_largest_that_there_can_be(rho: float) -> None:
    have = [[90, 40], [30, 60]]
    got = cells(agreement(table(have), 2, 2, rho, rng(0)), 2, 2)
    n = int(got[0].sum())
    np.testing.assert_array_equal(got, [[round(n * rho), n - round(n * rho)], [n - round(n * rho), round(n * rho)]])
    assert (got <= have).all()
    more = [n + k for k in range(1, 60)]
    assert all(round(m * rho) > 60 or m - round(m * rho) > 30 for m in more)


def test_the_rarest_of_the_other_values_limits_the_table() -> None:
    have = [[90, 40, 3], [30, 60, 30], [30, 30, 60]]
    got = cells(agreement(table(have), 3, 3, 0.8, rng(0)), 3, 3)
    np.testing.assert_array_equal(got.sum(1), got[0].sum())
    assert got[0, 1] <= 3
    assert (got <= have).all()


def test_a_size_that_cannot_be_had_is_refused_with_how_far_short() -> None:
    with pytest.raises(ValueError, match=r"Agreement 0\.9 with 1,000 examples .* at most 134 \(866 short\); ask for fewer"):
        agreement(table([[90, 40], [30, 60]]), 2, 2, 0.9, rng(0), size=1000)


def test_nearest_gives_the_largest_feasible_size_instead() -> None:
    examples = table([[90, 40], [30, 60]])
    nearest = agreement(examples, 2, 2, 0.9, rng(0), size=1000, nearest=True)
    assert nearest.equals(agreement(examples, 2, 2, 0.9, rng(0)))
    assert len(agreement(examples, 2, 2, 0.9, rng(0), size=40, nearest=True)) == 40


@pytest.mark.parametrize("rho", [0.5, 0.95, 0.99])
def test_an_agreement_below_one_is_refused_without_any_conflicting_example(rho: float) -> None:
    with pytest.raises(ValueError, match="no examples of target 0 with bias 1; choose another map or agreement"):
        agreement(table([[50, 0], [20, 50]]), 2, 2, rho, rng(0))


def test_full_agreement_needs_no_conflicting_example() -> None:
    np.testing.assert_array_equal(cells(agreement(table([[50, 0], [0, 40]]), 2, 2, 1, rng(0)), 2, 2), [[40, 0], [0, 40]])


@pytest.mark.parametrize("rho", [-0.1, 1.5, 95, float("nan")])
def test_an_agreement_that_is_no_share_is_refused(rho: float) -> None:
    with pytest.raises(ValueError, match="share from 0 to 1, not"):
        agreement(table(PLENTY), 2, 2, rho, rng(0))


@pytest.mark.parametrize(("alpha", "conflicting"), [(0, 0), (1, 60), (0.25, 24), (0.02, 2)])
def test_a_ratio_is_conflicting_over_aligned(alpha: float, conflicting: int) -> None:
    aligned = 60 if alpha == 1 else round(conflicting / alpha) if alpha else 80
    have = [[aligned, conflicting], [conflicting, aligned]]
    np.testing.assert_array_equal(cells(agreement(table(have), 2, 2, of_ratio(alpha), rng(0)), 2, 2), have)


def test_a_negative_conflict_ratio_is_refused() -> None:
    with pytest.raises(ValueError, match=r"0 or more, not -0\.5"):
        of_ratio(-0.5)
