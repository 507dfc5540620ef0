"""Shares of classes among images without labels."""

import numpy as np
import pytest

from biasray.metrics.shift import black_box, em, redrawn, resampled


def test_what_a_classifier_says_is_corrected_for_how_it_errs() -> None:
    confusion = np.array([[60, 40], [5, 95]])  # women are taken for men four times in ten
    for women in (0.0, 0.2, 0.5, 1.0):
        said = np.array([women, 1 - women]) @ (confusion / 100)
        np.testing.assert_allclose(black_box(confusion, said), [women, 1 - women], atol=1e-9)


def test_shares_stay_shares_where_chance_would_make_them_negative() -> None:
    share = black_box(np.array([[60, 40], [5, 95]]), np.array([0, 100]))
    np.testing.assert_allclose(share, [0, 1])


def test_three_classes() -> None:
    confusion = np.array([[80, 10, 10], [20, 70, 10], [5, 15, 80]])
    true = np.array([0.1, 0.3, 0.6])
    np.testing.assert_allclose(black_box(confusion, true @ (confusion / 100)), true, atol=1e-9)


@pytest.mark.parametrize(
    ("confusion", "says"), [([[0, 0], [1, 9]], "no labelled image"), ([[3, 7], [30, 70]], "does not depend on the class")]
)
def test_what_cannot_be_corrected_is_refused(confusion: list[list[int]], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        black_box(np.array(confusion), np.array([5, 5]))


def test_em_finds_the_shares_that_calibrated_probabilities_were_drawn_with() -> None:
    drawn = np.random.default_rng(0)
    target = drawn.random(20_000) < 0.8  # eight in ten, where training had half
    score = drawn.normal(np.where(target, 1.0, -1.0), 1.0)
    p = 1 / (1 + np.exp(-2 * score))  # of a balanced prior
    share = em(np.stack([1 - p, p], 1), np.array([0.5, 0.5]))
    assert share[1] == pytest.approx(0.8, abs=0.01)
    assert p.mean() < 0.75  # the mean of probabilities is not that


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    drawn, held = np.random.default_rng(1), 0
    rate = np.array([[0.7, 0.3], [0.1, 0.9]])
    for _ in range(200):
        confusion = np.stack([drawn.multinomial(150, row) for row in rate])
        said = drawn.multinomial(400, np.array([0.3, 0.7]) @ rate)
        again_RP = drawn.multinomial(400, said / 400, 200)
        low, high = np.percentile(resampled(redrawn(confusion, drawn, 200), again_RP)[:, 0], [2.5, 97.5])
        held += low <= 0.3 <= high
    assert 0.9 <= held / 200 <= 0.99
