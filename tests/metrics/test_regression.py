import numpy as np
import pytest

from biasray.metrics.regression import mae_by_group, mae_gap, mae_gap_to_all

AGE = np.array([20.0, 30.0, 40.0, 50.0, 60.0])
PREDICTED = np.array([22.0, 26.0, 40.0, 59.0, 57.0])  # errors 2, 4, 0, 9, 3
GROUP = np.array([0, 0, 1, 1, 1])


def test_mae_by_group_by_hand() -> None:
    np.testing.assert_allclose(mae_by_group(PREDICTED, AGE, GROUP, 2), [3, 4])


def test_mae_of_an_empty_group_is_nan() -> None:
    np.testing.assert_allclose(mae_by_group(PREDICTED, AGE, GROUP * 2, 4), [3, np.nan, 4, np.nan])


def test_mae_gap_is_first_minus_second() -> None:
    assert mae_gap(PREDICTED, AGE, GROUP, 0, 1) == pytest.approx(-1)
    assert mae_gap(PREDICTED, AGE, GROUP, 1, 0) == pytest.approx(1)


def test_mae_gap_to_all_weighs_examples_not_groups() -> None:
    assert mae_gap_to_all(PREDICTED, AGE, GROUP, 1) == pytest.approx(4 - 18 / 5)


def test_mae_gap_of_a_group_that_is_not_there_is_nan() -> None:
    assert np.isnan(mae_gap(PREDICTED, AGE, GROUP, 0, 3))
    assert np.isnan(mae_gap_to_all(PREDICTED, AGE, GROUP, 3))
