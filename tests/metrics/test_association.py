import numpy as np
import pytest
from scipy import stats
from scipy.stats.contingency import association

from biasray.metrics.association import cramers_v, pearson


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_v_is_scipys_where_there_are_many_examples_and_1_and_0_at_the_ends() -> None:
    count_TV = np.array([[300, 100, 50], [100, 400, 250]]) * 1_000_000
    assert cramers_v(count_TV, rng()).value == pytest.approx(association(count_TV, method="cramer"), rel=1e-6)
    assert cramers_v(np.diag([20, 30, 40]), rng()).value == pytest.approx(1)
    assert cramers_v(np.full((2, 3), 50), rng()).value == 0


def test_values_that_do_not_occur_change_nothing() -> None:
    count_TV = np.array([[30, 10], [10, 40]])
    wider = np.zeros((3, 4), int)
    wider[:2, :2] = count_TV
    assert cramers_v(wider, rng()) == cramers_v(count_TV, rng())


@pytest.mark.parametrize(("shape", "slope"), [((10, 10), 0.0), ((10, 10), 0.5), ((2, 7), 0.3)])
def test_intervals_hold_the_true_v_also_of_many_values(shape: tuple[int, int], slope: float) -> None:
    """The usual percentile interval holds that of 10 x 10 independent values in no table at all."""
    p_TV = np.ones(shape) / np.prod(shape)
    tilt_V = np.linspace(-1, 1, shape[1]) * slope / np.prod(shape)
    p_TV[0] += tilt_V
    p_TV[1:] -= tilt_V / (shape[0] - 1)
    independent_TV = p_TV.sum(1, keepdims=True) * p_TV.sum(0)
    true = np.sqrt(((p_TV - independent_TV) ** 2 / independent_TV).sum() / (min(shape) - 1))
    drawn, held = rng(), 0
    for _ in range(100):
        interval = cramers_v(drawn.multinomial(2000, p_TV.ravel()).reshape(shape), drawn, 300).interval
        held += interval.low <= true <= interval.high
    assert held >= 90


def test_pearson_is_scipys() -> None:
    drawn = rng()
    target_N, value_N = drawn.integers(0, 2, 400), drawn.integers(0, 6, 400)
    value_N += target_N
    count_TV = np.array([[((target_N == t) & (value_N == v)).sum() for v in range(7)] for t in range(2)])
    found = pearson(count_TV, np.arange(2.0), np.arange(7.0))
    theirs = stats.pearsonr(target_N, value_N)
    interval = theirs.confidence_interval(0.95)
    assert found.value == pytest.approx(theirs.statistic)
    assert (found.interval.low, found.interval.high) == pytest.approx((interval.low, interval.high))


def test_what_does_not_vary_has_no_association_and_what_is_the_same_has_1() -> None:
    assert np.isnan(cramers_v(np.array([[5, 5]]), rng()).value)
    assert np.isnan(cramers_v(np.eye(4, dtype=int), rng()).value)
    assert np.isnan(pearson(np.array([[5, 0], [5, 0]]), np.arange(2.0), np.arange(2.0)).value)
    assert np.isnan(pearson(np.array([[1, 0], [0, 1]]), np.arange(2.0), np.arange(2.0)).value)  # two examples
    assert pearson(np.diag([5, 7]), np.arange(2.0), np.arange(2.0)).value == pytest.approx(1)
