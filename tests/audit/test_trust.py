import math

import numpy as np
import pandas as pd
import pytest

from biasray.audit.trust import AGREES, OWN, STRANGE, Crowd, Likeness, half_width
from tests.audit.references import references


def test_an_interval_holds_a_further_error_as_often_as_it_says() -> None:
    drawn = np.random.default_rng(0)
    one = pd.Series(["a"] * 30)
    held = [abs(drawn.normal()) <= half_width(drawn.normal(size=30), one) for _ in range(3000)]
    assert np.mean(held) == pytest.approx(28 / 31, abs=0.02)


def test_an_interval_is_as_wide_as_the_noisiest_architecture_needs_it() -> None:
    off_R, architecture_R = np.concatenate([np.arange(9.0), -10 * np.arange(9.0)]), pd.Series(["calm"] * 9 + ["noisy"] * 9)
    assert half_width(off_R, architecture_R) == 80
    assert half_width(off_R[:9], architecture_R[:9]) == 8


def test_too_few_errors_give_no_interval() -> None:
    nine = pd.Series(["a"] * 9)
    assert half_width(np.ones(8), nine[:8]) == math.inf
    assert half_width(np.arange(9.0), nine) == 8
    assert half_width(np.arange(10.0), pd.Series(["a"] * 9 + ["b"])) == math.inf


def test_a_model_that_answers_like_no_reference_is_found() -> None:
    answer_RN, _, architecture_R, _ = references()
    names, left = pd.Series(architecture_R).map(str), architecture_R < 2
    crowd = Crowd(answer_RN[left], names[left])
    assert crowd.likeness(answer_RN[~left]).far_M.max() < STRANGE
    strange = answer_RN[~left] + np.random.default_rng(0).normal(0, 3, answer_RN[~left].shape)
    assert crowd.likeness(strange).far_M.min() > STRANGE
    assert Crowd(answer_RN[:40], names[:40]).likeness(strange).far_M.max() == 0  # one architecture tells nothing


def test_labels_that_are_counted_the_other_way_round_are_found() -> None:
    drawn = np.random.default_rng(0)
    right_N = drawn.uniform(size=40)
    answer_RN = np.clip(right_N + drawn.normal(0, 0.1, (20, 40)), 0, 1)
    three_MN = np.stack([answer_RN[0], 1 - answer_RN[0], np.full(40, 0.5)])
    right, wrong, flat = Crowd(answer_RN[1:], pd.Series(["a"] * 19)).likeness(three_MN).along_M
    assert right == pytest.approx(np.corrcoef(answer_RN[0], answer_RN[1:].mean(0))[0, 1])
    assert wrong == pytest.approx(-right)
    assert flat == 0
    checked = Likeness(np.array([0.5, 0.5, 1.6, 0.5]), np.array([right, wrong, right, right]), np.array([1, 1, 1, 0.2]), 0)
    assert checked.refused().tolist() == [False, True, True, True]
    assert checked._replace(agreement=right / AGREES + 0.01).refused().all()


def test_a_model_whose_answers_go_another_way_than_those_of_any_reference_is_found() -> None:
    drawn, names = np.random.default_rng(0), pd.Series(["a", "b"] * 10)
    right_N = drawn.normal(size=60)
    answer_RN = right_N + drawn.normal(0, 0.5, (20, 60))
    given_MN = np.stack([right_N + drawn.normal(0, 0.5, 60), 0.4 * right_N + drawn.normal(0, 1, 60)])
    found = Crowd(answer_RN, names).likeness(given_MN)
    like, strange = found.along_M
    assert strange < AGREES * found.agreement < found.agreement < 1
    assert like > AGREES * found.agreement
    assert Crowd(answer_RN, pd.Series(["a"] * 20)).agreement == 0


def test_a_model_that_hides_behind_the_usual_answers_is_found() -> None:
    answer_RN, _, architecture_R, _ = references()
    left = architecture_R < 2
    usual_N = answer_RN[left].mean(0)
    crowd = Crowd(answer_RN[left], pd.Series(architecture_R[left]))
    assert crowd.likeness(answer_RN[~left]).own_M.min() > OWN
    nearly_N = usual_N + np.random.default_rng(0).normal(0, 0.1, len(usual_N))
    assert crowd.likeness(np.stack([usual_N, nearly_N])).own_M.max() < OWN
