import numpy as np
import pytest

from biasray.metrics.counts import Counts
from biasray.metrics.groups import accuracy, group_average, training_weighted_average, worst_group

# Waterbirds, shaped by hand: (target, bias, predicted); groups of 100, 50, 20 and 10 examples.
TABLE = np.array([[[90, 10], [25, 25]], [[16, 4], [1, 9]]])
ACCURACIES = [0.9, 0.5, 0.2, 0.9]
TRAIN = np.array([[3498, 184], [56, 1057]])  # the published counts of Waterbirds' training split


def test_accuracy_counts_every_example_once() -> None:
    assert accuracy(Counts(TABLE)) == pytest.approx((90 + 25 + 4 + 9) / 180)


def test_group_average_counts_every_group_once() -> None:
    assert group_average(Counts(TABLE)) == pytest.approx(sum(ACCURACIES) / 4)


def test_training_weighted_average_counts_groups_as_in_training() -> None:
    expected = (0.9 * 3498 + 0.5 * 184 + 0.2 * 56 + 0.9 * 1057) / (3498 + 184 + 56 + 1057)
    assert training_weighted_average(Counts(TABLE, TRAIN)) == pytest.approx(expected)


def test_the_three_means_are_three_different_numbers() -> None:
    counts = Counts(TABLE, TRAIN)
    means = [float(f(counts)) for f in (accuracy, group_average, training_weighted_average)]
    assert np.abs(np.subtract.outer(means, means)[np.triu_indices(3, 1)]).min() > 0.05


def test_training_weights_equal_to_the_evaluated_groups_give_plain_accuracy() -> None:
    counts = Counts(TABLE, Counts(TABLE).group)
    assert training_weighted_average(counts) == pytest.approx(float(accuracy(counts)))


def test_training_weighted_average_without_training_counts_is_nan_in_every_row() -> None:
    assert np.isnan(training_weighted_average(Counts(np.stack([TABLE, TABLE])))).tolist() == [True, True]


def test_worst_group_is_the_lowest_accuracy() -> None:
    assert worst_group(Counts(TABLE)) == pytest.approx(0.2)


def test_an_empty_group_is_no_worst_group_and_no_part_of_a_mean() -> None:
    table = TABLE.copy()
    table[1, 0] = 0
    counts = Counts(table, TRAIN)
    assert worst_group(counts) == pytest.approx(0.5)
    assert group_average(counts) == pytest.approx((0.9 + 0.5 + 0.9) / 3)
    assert accuracy(counts) == pytest.approx((90 + 25 + 9) / 160)
    assert training_weighted_average(counts) == pytest.approx((0.9 * 3498 + 0.5 * 184 + 0.9 * 1057) / (3498 + 184 + 1057))


def test_an_empty_group_in_one_row_does_not_touch_the_others() -> None:
    table = np.stack([TABLE, TABLE])
    table[0, 1, 0] = 0
    np.testing.assert_allclose(worst_group(Counts(table)), [0.5, 0.2])
