"""LfF against its equations in numpy, and the public frameworks' mistakes."""

import numpy as np
import pytest
import torch
from torch import Tensor

from biasray import methods
from biasray.contract import Batch, Labels, Method
from tests.methods_by_hand import cross_entropy, drive, linear, random_batches, softmax, weights

Q, ALPHA, LR = 0.6, 0.8, 0.5


def build(target_N: Tensor, classes: int = 3) -> Method:
    torch.manual_seed(0)
    return methods.build("lff", linear, Labels(target_N, classes), {"q": Q, "alpha": ALPHA}, 1).double()


def test_averages_losses_and_weights_follow_the_equations() -> None:
    batches, target_N, _ = random_batches(4, 8, 3, 2)
    method, y_N = build(target_N), target_N.numpy()
    (wb, cb), (wd, cd) = weights(method, "biased"), weights(method, "debiased")
    ema = {"b": np.full(24, np.nan), "d": np.full(24, np.nan)}
    highest, fell = np.zeros(3), False
    for batch in batches:
        i, x, y = batch.index.numpy(), batch.image.flatten(1).numpy(), batch.target.numpy()
        loss_b, error_b = cross_entropy(x @ wb.T + cb, y)
        loss_d, error_d = cross_entropy(x @ wd.T + cd, y)
        share = {}
        for name, loss_B in (("b", loss_b), ("d", loss_d)):
            first = np.isnan(ema[name][i])
            ema[name][i] = np.where(first, loss_B, ALPHA * ema[name][i] + (1 - ALPHA) * loss_B)
            top = np.array([np.nanmax(np.where(y_N == k, ema[name], np.nan), initial=0) for k in range(3)])
            share[name] = ema[name][i] / top[y]
        fell |= bool((top < highest).any())
        highest = np.maximum(highest, top)
        w_B = share["b"] / (share["b"] + share["d"] + 1e-8)
        p_B = np.take_along_axis(softmax(x @ wb.T + cb), y[:, None], 1)[:, 0]

        seen = drive(method, batch, LR)

        assert [networks for networks, _ in seen] == [("biased",), ("debiased",)]
        assert seen[0][1] == pytest.approx((Q * p_B**Q * loss_b).mean(), rel=1e-5)
        assert seen[1][1] == pytest.approx((w_B * loss_d).mean(), rel=1e-5)
        for buffer, name in (("biased_loss.average_N", "b"), ("debiased_loss.average_N", "d")):
            expected = np.where(np.isnan(ema[name]), -1, ema[name])
            np.testing.assert_allclose(method.get_buffer(buffer).numpy(), expected, rtol=1e-5)
        for w, c, e_BK in ((wb, cb, Q * p_B[:, None] ** Q * error_b), (wd, cd, w_B[:, None] * error_d)):
            w -= LR * e_BK.T @ x / len(x)
            c -= LR * e_BK.mean(0)
        np.testing.assert_allclose(weights(method, "biased")[0], wb, rtol=1e-5, atol=1e-8)
        np.testing.assert_allclose(weights(method, "debiased")[0], wd, rtol=1e-5, atol=1e-8)
    assert fell, "the largest average of a class never fell: the case shows nothing"


def test_the_maximum_is_over_the_whole_table_and_not_over_the_batch() -> None:
    target_N = torch.tensor([0, 0, 1, 1])
    method = build(target_N, 2)
    method.get_buffer("biased_loss.average_N").copy_(torch.tensor([50.0, -1.0, 5.0, -1.0]))
    loss_B = torch.tensor([2.0, 1.0], dtype=torch.float64)
    rows = torch.tensor([1, 3])
    batch = Batch(rows, torch.zeros(2, 1, 2, 2).double(), target_N[rows], None, None, rows)
    share_B = method.biased_loss(method.world, batch, loss_B)
    assert share_B.tolist() == pytest.approx([2 / 50, 1 / 5])


def test_examples_of_one_batch_are_weighted_one_by_one() -> None:
    """A mean-reduced loss would give all of them the same weight."""
    batches, target_N, _ = random_batches(1, 8, 2, 2)
    method = build(target_N, 2)
    drive(method, batches[0], LR)
    assert len(method.get_buffer("biased_loss.average_N")[batches[0].index].unique()) == 8


def test_the_weight_does_not_carry_a_gradient() -> None:
    method = build(torch.tensor([0, 1]), 2)
    batch = Batch(torch.arange(2), torch.rand(2, 1, 2, 2).double(), torch.tensor([0, 1]), None, None, torch.arange(2))
    _, (_, loss) = list(method.step(lambda: batch))
    biased = list(method.get_submodule("biased").parameters())
    assert torch.autograd.grad(loss, biased, allow_unused=True) == (None, None)
