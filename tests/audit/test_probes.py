import numpy as np
import pytest
import torch
from sklearn.linear_model import MultiTaskLasso
from torch import Tensor

from biasray.audit.estimators import known
from biasray.audit.probes import Order, at_random, by_embedding, by_lasso
from biasray.audit.solver import descend
from tests.audit.references import References, references


def test_the_solver_finds_the_minimum_that_scikit_learn_finds() -> None:
    drawn = torch.Generator().manual_seed(0)
    x_RN, y_RT = torch.randn(50, 20, generator=drawn).double(), torch.randn(50, 3, generator=drawn).double()

    def squares(w_TN: Tensor) -> tuple[float, Tensor]:
        off_RT = x_RN @ w_TN.T - y_RT
        return float(off_RT.square().sum() / 100), off_RT.T @ x_RN / 50

    w_TN = descend(squares, torch.zeros(3, 20).double(), 0.2, 500, tolerance=1e-9)
    expected = MultiTaskLasso(alpha=0.2, fit_intercept=False, tol=1e-12, max_iter=10_000).fit(x_RN.numpy(), y_RT.numpy())
    assert 0 < (expected.coef_ == 0).all(0).sum() < 20
    assert w_TN.numpy() == pytest.approx(expected.coef_, abs=1e-6)
    assert ((w_TN == 0).numpy() == (expected.coef_ == 0)).all()


def chosen(name: str, given: References) -> Order:
    answer_RN, bias_RT = given.answer_RN, given.bias_RT
    return by_lasso(answer_RN, bias_RT) if name == "lasso" else by_embedding(known(name)(), answer_RN, bias_RT)


@pytest.mark.parametrize("name", ["kernel", "stress", "lasso"])
def test_images_that_tell_are_asked_about_first(name: str) -> None:
    given = references()
    order = chosen(name, given)
    assert sorted(order) == list(range(60))
    assert given.tells_N[order[:8]].all()


@pytest.mark.parametrize("name", ["kernel", "stress", "lasso"])
def test_two_figures_share_their_images(name: str) -> None:
    given = references(figures=2)
    tells_2N = np.stack([given.tells_N, np.roll(given.tells_N, 1)])
    first = chosen(name, given)[:10]
    assert tells_2N.any(0)[first].all()
    assert (tells_2N[:, first].sum(1) >= 3).all()


def test_chosen_images_tell_more_than_images_drawn_at_random() -> None:
    answer_RN, bias_RT, architecture_R, _ = given = references()
    learnt = architecture_R > 0
    orders = {"chosen": chosen("kernel", given._replace(answer_RN=answer_RN[learnt], bias_RT=bias_RT[learnt]))}
    off = {}
    for name, order in {**orders, **{f"random {seed}": at_random(answer_RN, seed) for seed in range(5)}}.items():
        X = answer_RN[:, order[:5]]
        off[name] = np.abs(known("ridge")().fit(X[learnt], bias_RT[learnt, 0]).predict(X[~learnt]) - bias_RT[~learnt, 0]).mean()
    assert off.pop("chosen") < min(off.values())
