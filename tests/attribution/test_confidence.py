import numpy as np
import pytest

from biasray.attribution.confidence import CONFIDENCES


@pytest.mark.parametrize("name", CONFIDENCES)
def test_confidence_runs_from_a_guess_to_certainty(name: str) -> None:
    sure = CONFIDENCES[name]
    for classes in (2, 5):
        guess, certain = np.full(classes, 1 / classes), np.eye(classes)[1]
        between = np.full(classes, 0.4 / (classes - 1))
        between[0] = 0.6
        low, middle, high = sure(np.stack([guess, between, certain]))
        assert low == pytest.approx(0, abs=1e-12)
        assert 0 < middle < 1
        assert high == pytest.approx(1)


def test_negative_entropy_is_that_of_two_classes() -> None:
    p = 0.9
    expected = 1 + (p * np.log(p) + (1 - p) * np.log(1 - p)) / np.log(2)
    assert CONFIDENCES["entropy"](np.array([p, 1 - p])) == pytest.approx(expected)
