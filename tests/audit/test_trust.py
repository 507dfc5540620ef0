import math

import numpy as np
import pandas as pd
import pytest

from biasray.audit.trust import AGREES, OWN, STRANGE, agreement, half_width, own, refused, turned, unlike
from tests.audit.references import references


def test_an_interval_holds_a_further_error_as_often_as_it_says() -> None:
    drawn = np.random.default_rng(0)
    held = [abs(drawn.normal()) <= half_width(drawn.normal(size=30)) for _ in range(3000)]
    assert np.mean(held) == pytest.approx(28 / 31, abs=0.02)


def test_too_few_errors_give_no_interval() -> None:
    assert half_width(np.ones(8)) == math.inf
    assert half_width(np.arange(9.0)) == 8


def test_a_model_that_answers_like_no_reference_is_found() -> None:
    answer_RN, _, architecture_R, _ = references()
    names, left = pd.Series(architecture_R).map(str), architecture_R < 2
    like = unlike(answer_RN[~left], answer_RN[left], names[left])
    assert like.max() < STRANGE
    strange = answer_RN[~left] + np.random.default_rng(0).normal(0, 3, answer_RN[~left].shape)
    assert unlike(strange, answer_RN[left], names[left]).min() > STRANGE
    assert unlike(strange, answer_RN[:40], names[:40]).max() == 0  # one architecture tells nothing


def test_labels_that_are_counted_the_other_way_round_are_found() -> None:
    drawn = np.random.default_rng(0)
    right_N = drawn.uniform(size=40)
    answer_RN = np.clip(right_N + drawn.normal(0, 0.1, (20, 40)), 0, 1)
    three_MN = np.stack([answer_RN[0], 1 - answer_RN[0], np.full(40, 0.5)])
    right, wrong, flat = turned(three_MN, answer_RN[1:])
    assert right == pytest.approx(np.corrcoef(answer_RN[0], answer_RN[1:].mean(0))[0, 1])
    assert wrong == pytest.approx(-right)
    assert flat == 0
    checked = [np.array([0.5, 0.5, 1.6, 0.5]), np.array([right, wrong, right, right]), np.array([1, 1, 1, 0.2])]
    assert refused(*checked, 0).tolist() == [False, True, True, True]
    assert refused(*checked, right / AGREES + 0.01).all()


def test_a_model_whose_answers_go_another_way_than_those_of_any_reference_is_found() -> None:
    drawn, names = np.random.default_rng(0), pd.Series(["a", "b"] * 10)
    right_N = drawn.normal(size=60)
    answer_RN = right_N + drawn.normal(0, 0.5, (20, 60))
    agreed = agreement(answer_RN, names)
    like, strange = turned(np.stack([right_N + drawn.normal(0, 0.5, 60), 0.4 * right_N + drawn.normal(0, 1, 60)]), answer_RN)
    assert strange < AGREES * agreed < agreed < 1
    assert like > AGREES * agreed
    assert agreement(answer_RN, pd.Series(["a"] * 20)) == 0


def test_a_model_that_hides_behind_the_usual_answers_is_found() -> None:
    answer_RN, _, architecture_R, _ = references()
    left = architecture_R < 2
    usual_N = answer_RN[left].mean(0)
    assert own(answer_RN[~left], answer_RN[left]).min() > OWN
    nearly_N = usual_N + np.random.default_rng(0).normal(0, 0.1, len(usual_N))
    assert own(np.stack([usual_N, nearly_N]), answer_RN[left]).max() < OWN
