import numpy as np
import pytest
from sklearn.linear_model import Ridge

from biasray.audit.estimators.local import Local
from tests.audit.references import references


def test_it_is_ridge_on_the_references_that_answer_alike_and_its_spread_that_of_leaving_each_out() -> None:
    answer_RN, bias_RT, _, _ = references(each=15, images=8)
    known, y_R, given_N = answer_RN[1:], bias_RT[1:, 0], answer_RN[0]
    told = Local().fit(known, y_R).told(given_N)
    z_RN, z_N = ((a - known.mean(0)) / known.std(0) for a in (known, given_N))
    weight_R = np.exp(-((z_RN - z_N) ** 2).mean(1) / 2)
    weight_R /= weight_R.sum()
    assert told.value_T == pytest.approx(Ridge(1.0).fit(z_RN, y_R, weight_R).predict([z_N]), rel=1e-4)
    off_R = []
    for r in range(len(y_R)):
        others = np.arange(len(y_R)) != r
        off_R.append(Ridge(1.0).fit(z_RN[others], y_R[others], weight_R[others]).predict(z_RN[r : r + 1])[0] - y_R[r])
    assert told.spread_T == pytest.approx(np.sqrt(weight_R @ np.square(off_R)), rel=1e-3)


def test_an_image_that_was_not_asked_about_counts_as_if_the_kit_did_not_hold_it() -> None:
    answer_RN, bias_RT, _, _ = references(figures=2)
    given_N = answer_RN[0].copy()
    given_N[10:] = np.nan
    some = Local().fit(answer_RN[1:], bias_RT[1:]).told(given_N)
    few = Local().fit(answer_RN[1:, :10], bias_RT[1:]).told(given_N[:10])
    assert some.value_T == pytest.approx(few.value_T)
    assert some.spread_T == pytest.approx(few.spread_T)
    assert np.isneginf(some.gain_N[:10]).all()
    assert np.isfinite(some.gain_N[10:]).all()


def test_the_image_that_promises_most_is_one_whose_answers_the_bias_moves() -> None:
    answer_RN, bias_RT, _, tells_N = references()
    learnt, given_N = Local().fit(answer_RN[1:], bias_RT[1:, 0]), np.full(60, np.nan)
    for _ in range(5):
        image = int(learnt.told(given_N).gain_N.argmax())
        assert tells_N[image]
        given_N[image] = answer_RN[0, image]
