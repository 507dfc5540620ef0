import numpy as np
import pytest
from fairlearn import metrics as fairlearn
from sklearn.metrics import accuracy_score

from biasray.metrics.counts import Counts, count
from biasray.metrics.disparity import (
    accuracy_gap,
    accuracy_ratio,
    average_minus_worst,
    demographic_parity,
    equal_opportunity,
    equalised_odds,
    model_bias,
)

# (target, bias, predicted): accuracies 0.9 and 0.6 of target 0, 0.3 and 0.8 of target 1
TWO = np.array([[[9, 1], [12, 8]], [[7, 3], [10, 40]]])
# accuracies 1, 0.5, 0.6 of target 0 and 0.2, 0.9, 0.7 of target 1
THREE = np.array([[[10, 0], [5, 5], [6, 4]], [[8, 2], [1, 9], [3, 7]]])


def random_predictions(seed: int, classes: int = 2, biases: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    target, bias = rng.integers(0, classes, 400), rng.integers(0, biases, 400)
    flip = rng.random(400) < 0.1 + 0.5 * bias / biases
    return target, bias, np.where(flip, (target + 1) % classes, target)


def test_equalised_odds_is_equation_12() -> None:
    assert equalised_odds(Counts(TWO)) == pytest.approx((abs(0.9 - 0.6) + abs(0.3 - 0.8)) / 2)


def test_equalised_odds_refuses_more_than_two_bias_values() -> None:
    with pytest.raises(AssertionError):
        equalised_odds(Counts(THREE))


def test_equalised_odds_leaves_out_a_target_that_misses_a_group() -> None:
    table = TWO.copy()
    table[1, 0] = 0
    assert equalised_odds(Counts(table)) == pytest.approx(0.3)


def test_average_minus_worst_by_hand() -> None:
    expected = ((1 + 0.5 + 0.6) / 3 - 0.5 + (0.2 + 0.9 + 0.7) / 3 - 0.2) / 2
    assert average_minus_worst(Counts(THREE)) == pytest.approx(expected)


def test_average_minus_worst_leaves_out_an_empty_group() -> None:
    table = THREE.copy()
    table[0, 1] = 0
    expected = ((1 + 0.6) / 2 - 0.6 + (0.2 + 0.9 + 0.7) / 3 - 0.2) / 2
    assert average_minus_worst(Counts(table)) == pytest.approx(expected)


def test_model_bias_is_equation_12_for_two_bias_values_and_average_minus_worst_for_more() -> None:
    assert model_bias(Counts(TWO)) == pytest.approx(0.4)
    assert model_bias(Counts(THREE)) == pytest.approx(float(average_minus_worst(Counts(THREE))))
    assert average_minus_worst(Counts(TWO)) == pytest.approx(0.2)  # half of equation 12: the two are not to be mixed


def test_accuracy_ratio_and_gap_by_hand() -> None:
    lowest, highest = (9 + 3) / 20, (12 + 40) / 70
    assert accuracy_ratio(Counts(TWO)) == pytest.approx(lowest / highest)
    assert accuracy_gap(Counts(TWO)) == pytest.approx(highest - lowest)


def test_demographic_parity_takes_the_class_that_differs_most() -> None:
    table = np.zeros((3, 2, 3), np.int64)
    table[0] = [[10, 0, 0], [4, 6, 0]]
    table[1] = [[0, 10, 0], [0, 10, 0]]
    table[2] = [[0, 0, 10], [0, 3, 7]]
    # rates of the predicted classes: 10/30, 10/30, 10/30 and 4/30, 19/30, 7/30
    assert demographic_parity(Counts(table)) == pytest.approx(9 / 30)


def test_equal_opportunity_reads_the_last_class_only() -> None:
    assert equal_opportunity(Counts(TWO)) == pytest.approx(0.5)
    assert equal_opportunity(Counts(TWO[::-1, :, ::-1])) == pytest.approx(0.3)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("biases", [2, 4])
def test_differences_are_those_of_fairlearn(seed: int, biases: int) -> None:
    target, bias, predicted = random_predictions(seed, biases=biases)
    counts = count(target, bias, predicted, 2, biases)
    expected = fairlearn.demographic_parity_difference(target, predicted, sensitive_features=bias)
    assert demographic_parity(counts) == pytest.approx(expected)
    expected = fairlearn.equal_opportunity_difference(target, predicted, sensitive_features=bias)
    assert equal_opportunity(counts) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
def test_equalised_odds_bounds_and_means_of_fairlearn(seed: int) -> None:
    target, bias, predicted = random_predictions(seed)
    rates = fairlearn.MetricFrame(
        metrics={"tpr": fairlearn.true_positive_rate, "fpr": fairlearn.false_positive_rate},
        y_true=target,
        y_pred=predicted,
        sensitive_features=bias,
    )
    got = equalised_odds(count(target, bias, predicted, 2, 2))
    assert got == pytest.approx(rates.difference().mean())
    worst = fairlearn.equalized_odds_difference(target, predicted, sensitive_features=bias)
    assert got <= worst
    assert got >= worst / 2
    mean = fairlearn.equalized_odds_difference(target, predicted, sensitive_features=bias, agg="mean")
    assert got == pytest.approx(mean)


@pytest.mark.parametrize("seed", range(5))
def test_accuracy_gap_and_ratio_are_those_of_fairlearns_frame(seed: int) -> None:
    target, bias, predicted = random_predictions(seed, classes=3, biases=4)
    frame = fairlearn.MetricFrame(metrics=accuracy_score, y_true=target, y_pred=predicted, sensitive_features=bias)
    counts = count(target, bias, predicted, 3, 4)
    assert accuracy_gap(counts) == pytest.approx(frame.difference())
    assert accuracy_ratio(counts) == pytest.approx(frame.ratio())
