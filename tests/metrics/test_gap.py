import numpy as np
import pytest

from biasray.metrics.gap import gap

ERROR = np.array([[2.0, 4, 0, 9, 3], [1, 1, 1, 1, 1]])
FIRST = np.array([True, True, False, False, False])


def test_the_gap_is_the_first_group_minus_the_second() -> None:
    assert gap(ERROR, FIRST, ~FIRST) == pytest.approx([-1, 0])
    assert gap(ERROR, ~FIRST, FIRST) == pytest.approx([1, 0])


def test_the_gap_to_all_weighs_examples_not_groups() -> None:
    assert gap(ERROR, ~FIRST, FIRST | ~FIRST) == pytest.approx([4 - 18 / 5, 0])


def test_the_gap_of_a_group_that_is_not_there_is_nan() -> None:
    nobody = np.zeros(5, bool)
    assert np.isnan(gap(ERROR, nobody, FIRST)).all()
    assert np.isnan(gap(ERROR, FIRST, nobody)).all()
