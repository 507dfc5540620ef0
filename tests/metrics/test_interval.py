import numpy as np
import pytest
from scipy import stats

from biasray.metrics import found
from biasray.metrics.counts import Counts
from biasray.metrics.disparity import average_minus_worst
from biasray.metrics.groups import accuracy, group_average, worst_group
from biasray.metrics.interval import Interval, holm, over_examples, over_seeds, paired_p, resample, worse_p


def three_models(n: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Targets and bias values of four unequal groups, and the predictions of three models that share mistakes."""
    rng = np.random.default_rng(1)
    target, bias = rng.integers(0, 2, n), (rng.random(n) < 0.3).astype(np.int64)
    hard = rng.random(n)
    wrong = [hard < 0.3, hard < 0.4, rng.random(n) < 0.2]
    return target, bias, np.where(wrong, 1 - target, target)


def by_examples(
    target: np.ndarray, bias: np.ndarray, predicted: np.ndarray, rng: np.random.Generator, resamples: int
) -> np.ndarray:
    """The textbook's stratified bootstrap: draw examples of each group with replacement, and count."""
    out = np.zeros((resamples, len(predicted), 2, 2, 2), np.int64)
    groups = [np.flatnonzero((target == t) & (bias == b)) for t in (0, 1) for b in (0, 1)]
    for r in range(resamples):
        rows = np.concatenate([rng.choice(group, len(group)) for group in groups if len(group)])
        for s, model in enumerate(predicted):
            np.add.at(out[r, s], (target[rows], bias[rows], model[rows]), 1)
    return out


def test_resamples_keep_the_size_of_every_group() -> None:
    target, bias, predicted = three_models()
    got = resample(target, bias, predicted, 2, 2, np.random.default_rng(0), 50)
    assert got.predicted.shape == (50, 3, 2, 2, 2)
    sizes = [[((target == t) & (bias == b)).sum() for b in (0, 1)] for t in (0, 1)]
    assert (got.group == sizes).all()


def test_resamples_are_reproducible_and_depend_on_the_generator() -> None:
    arguments = three_models()
    first, again, other = (resample(*arguments, 2, 2, np.random.default_rng(s), 20).predicted for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_resampled_counts_are_binomial() -> None:
    predicted = np.array([[0] * 7 + [1] * 3])
    zero = np.zeros(10, np.int64)
    correct = resample(zero, zero, predicted, 2, 1, np.random.default_rng(0), 20_000).correct[:, 0, 0, 0]
    seen = np.bincount(correct, minlength=11)[3:]
    expected = stats.binom.pmf(np.arange(3, 11), 10, 0.7)
    assert stats.chisquare(seen, 20_000 * expected / expected.sum() * seen.sum() / 20_000).pvalue > 1e-3


def test_every_model_sees_the_same_resampled_examples() -> None:
    zero = np.zeros(2, np.int64)
    predicted = np.array([[0, 1], [1, 0], [0, 1]])  # the second model is right where the others are wrong
    correct = resample(zero, zero, predicted, 2, 1, np.random.default_rng(0), 4000).correct[:, :, 0, 0]
    np.testing.assert_array_equal(correct[:, 0] + correct[:, 1], 2)
    np.testing.assert_array_equal(correct[:, 0], correct[:, 2])
    share = np.bincount(correct[:, 0]) / 4000
    np.testing.assert_allclose(share, [0.25, 0.5, 0.25], atol=0.03)


def test_resampling_has_the_law_of_a_bootstrap_over_examples() -> None:
    arguments = three_models()
    fast = resample(*arguments, 2, 2, np.random.default_rng(0), 20_000).predicted.reshape(20_000, -1)
    slow = by_examples(*arguments, np.random.default_rng(1), 1500).reshape(1500, -1)
    np.testing.assert_allclose(fast.mean(0), slow.mean(0), atol=4 * np.sqrt(slow.var(0).max() / 1500))
    # Covariances too: within a model, and between models by the mistakes that they share.
    np.testing.assert_allclose(np.cov(fast.T), np.cov(slow.T), atol=0.55)
    assert np.cov(fast.T).max() > 2


def test_an_empty_group_stays_empty_in_every_resample() -> None:
    target = np.array([0, 0, 0, 1, 1])
    got = resample(target, target, target[None], 2, 2, np.random.default_rng(0), 10)
    assert (got.group == [[3, 0], [0, 2]]).all()
    assert (worst_group(got) == 1).all()


@pytest.mark.parametrize("name", found())
def test_every_metric_takes_resamples_in_one_call(name: str) -> None:
    got = resample(*three_models(), 2, 2, np.random.default_rng(0), 30)
    value = found()[name].compute(Counts(got.predicted, np.array([[5, 1], [2, 3]])))
    assert value.shape == (30, 3)
    assert np.isfinite(value).all()


def test_bootstrap_interval_covers_the_truth_nineteen_times_in_twenty() -> None:
    rng, n, tests = np.random.default_rng(0), 300, 400
    zero, truth, hits = np.zeros(n, np.int64), 0.7, 0
    for _ in range(tests):
        predicted = (rng.random((1, n)) > truth).astype(np.int64)
        value_R = accuracy(resample(zero, zero, predicted, 2, 1, rng, 400))[:, 0]
        interval = over_examples(float((predicted == 0).mean()), value_R)
        hits += interval.low <= truth <= interval.high
    assert hits / tests == pytest.approx(0.95, abs=0.035)


def test_bootstrap_interval_shrinks_with_the_square_root_of_the_examples() -> None:
    target, bias, predicted = three_models(200)
    widths = []
    for times in (1, 16):
        many = resample(*(np.tile(x, times) for x in (target, bias)), np.tile(predicted, times), 2, 2, np.random.default_rng(0))
        interval = over_examples(0.0, group_average(many)[:, 0])
        widths.append(interval.high - interval.low)
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.15)


def test_bootstrap_interval_mirrors_the_resamples_at_the_value_and_leaves_nan_out() -> None:
    value_R = np.append(np.arange(1001.0), np.nan)
    interval = over_examples(400.0, value_R)
    assert (interval.low, interval.high) == pytest.approx((800 - 975, 800 - 25))
    nothing = over_examples(0.0, np.full(5, np.nan))
    assert np.isnan([nothing.low, nothing.high]).all()


def test_bootstrap_interval_of_a_worst_group_holds_the_truth_though_the_value_is_biased() -> None:
    """The percentile interval holds it in under half of the tables: the worst of many small groups is too low."""
    rng, groups, n, hits, tables = np.random.default_rng(0), 20, 50, 0, 150
    for _ in range(tables):
        truth_G = rng.beta(12, 3, groups)
        right_G = rng.binomial(n, truth_G)
        right_RG = rng.binomial(n, right_G / n, (300, groups))
        first = [np.stack([right, n - right], -1)[..., None, :, :] for right in (right_G, right_RG)]
        both = [np.concatenate([counts, np.zeros_like(counts)], -3) for counts in first]  # no examples of a second target
        value, value_R = (average_minus_worst(Counts(counts)) for counts in both)
        interval = over_examples(float(value), value_R)
        truth = truth_G.mean() - truth_G.min()
        hits += interval.low <= truth <= interval.high
    assert hits / tables > 0.8


def test_over_seeds_is_students_interval_of_the_mean() -> None:
    value = np.array([0.71, 0.74, 0.69, 0.75, 0.70])
    low, high = stats.t.interval(0.95, 4, loc=value.mean(), scale=stats.sem(value))
    got = over_seeds(value)
    assert (got.low, got.high) == pytest.approx((low, high))
    half = 2.776445 * np.sqrt(((value - 0.718) ** 2).sum() / 4) / np.sqrt(5)
    assert (got.low, got.high) == pytest.approx((0.718 - half, 0.718 + half), abs=1e-6)


def test_one_seed_says_nothing_of_others() -> None:
    assert over_seeds(np.array([0.7])) == Interval(-np.inf, np.inf)


def test_p_is_that_of_a_paired_t_test_and_one_seed_has_none() -> None:
    one, other = np.array([0.5, 0.6, 0.55]), np.array([0.45, 0.58, 0.47])
    assert paired_p(one - other) == pytest.approx(stats.ttest_rel(one, other).pvalue)
    assert np.isnan(paired_p(np.array([0.1])))
    assert np.isnan(paired_p(np.array([0.1, 0.1])))


def test_p_values_are_corrected_step_by_step_for_how_many_they_are() -> None:
    """The example of Holm's procedure: the smallest times m, the next times m - 1, never falling, at most 1."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.5]) == pytest.approx([1.0, 1.0])
    found = holm([float("nan"), 0.02])
    assert np.isnan(found[0])
    assert found[1] == pytest.approx(0.02)


def test_a_small_group_is_not_called_worse_for_what_chance_does() -> None:
    right_N = np.ones(3000)
    right_N[:60] = 0
    inside_N = np.zeros(3000, bool)
    inside_N[57:87] = True  # three of thirty are wrong, where one in fifty is
    few = sum(stats.hypergeom.pmf(k, 3000, 60, 30) for k in range(3))
    assert worse_p(right_N, inside_N) == pytest.approx(1 - few)
    drawn = np.random.default_rng(0)
    low = sum(worse_p(drawn.random(3000) < 0.98, np.arange(3000) < 30) < 0.01 for _ in range(1000))
    assert low <= 20
    assert worse_p(np.r_[np.zeros(30), np.ones(30)], np.arange(60) < 30) < 1e-9  # nothing right, all right
    assert np.isnan(worse_p(np.ones(60), np.arange(60) < 30))
