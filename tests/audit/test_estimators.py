import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict

from biasray.audit.embedding import Embedding
from biasray.audit.estimators import found, known
from tests.audit.references import references

EMBEDDINGS = [name for name, make in found().items() if isinstance(make(), Embedding)]


@pytest.mark.parametrize("name", found())
def test_bias_is_estimated_for_an_architecture_that_no_reference_has(name: str) -> None:
    answer_RN, bias_RT, architecture_R, _ = references()
    estimator = clone(known(name)())
    told_R = cross_val_predict(estimator, answer_RN, bias_RT[:, 0], groups=architecture_R, cv=LeaveOneGroupOut())
    assert np.abs(told_R - bias_RT[:, 0]).mean() < 0.4 * np.abs(bias_RT - bias_RT.mean()).mean()


@pytest.mark.parametrize("name", found())
def test_several_figures_come_from_one_set_of_answers(name: str) -> None:
    answer_RN, bias_RT, _, _ = references(figures=2)
    told_MT = known(name)().fit(answer_RN[:80], bias_RT[:80]).predict(answer_RN[80:])
    assert told_MT.shape == (40, 2)
    for t in range(2):
        assert np.corrcoef(told_MT[:, t], bias_RT[80:, t])[0, 1] > 0.9


@pytest.mark.parametrize("name", found())
def test_the_unit_of_an_answer_does_not_matter_nor_an_image_that_all_answer_alike(name: str) -> None:
    answer_RN, bias_RT, _, _ = references()
    answer_RN[:, 3] = 17.0
    plain_M = known(name)().fit(answer_RN[:80], bias_RT[:80, 0]).predict(answer_RN[80:])
    unit_N = np.where(np.arange(answer_RN.shape[1]) % 2, 1000.0, 0.01)
    scaled_M = known(name)().fit(answer_RN[:80] * unit_N + 5, bias_RT[:80, 0]).predict(answer_RN[80:] * unit_N + 5)
    assert np.isfinite(plain_M).all()
    assert scaled_M == pytest.approx(plain_M, abs=0.02)


@pytest.mark.parametrize("name", EMBEDDINGS)
def test_the_gradient_of_a_loss_is_that_of_small_moves(name: str) -> None:
    drawn, estimator = torch.Generator().manual_seed(0), known(name)()
    place_RD = torch.randn(20, 2, generator=drawn, dtype=torch.float64)
    y_R = torch.randn(20, generator=drawn, dtype=torch.float64)
    _, grad_RD = estimator.loss(place_RD, y_R)
    step_RD, small = torch.randn(20, 2, generator=drawn, dtype=torch.float64), 1e-6
    ahead, behind = (estimator.loss(place_RD + sign * small * step_RD, y_R)[0] for sign in (1, -1))
    assert float((grad_RD * step_RD).sum()) == pytest.approx(float(ahead - behind) / 2 / small, rel=1e-5)


@pytest.mark.parametrize("name", EMBEDDINGS)
def test_what_is_learnt_tells_references_better_than_where_it_starts(name: str) -> None:
    answer_RN, bias_RT, _, _ = references()
    start, learnt = (known(name)().set_params(steps=steps).fit(answer_RN, bias_RT[:, 0]) for steps in (0, 50))
    y_R = torch.from_numpy((bias_RT[:, 0] - bias_RT.mean()) / bias_RT.std()).float()
    assert learnt.loss(learnt.place_RTD_[:, 0], y_R)[0] < 0.95 * start.loss(start.place_RTD_[:, 0], y_R)[0]


def test_an_estimator_that_there_is_not_is_answered_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="choose from kernel, local, ridge, stress"):
        known("oracle")
