"""Focal loss against its equation in numpy."""

import numpy as np
import pytest
import torch

from biasray import methods
from biasray.contract import Batch, Labels, Method
from tests.methods_by_hand import cross_entropy, drive, linear, random_batches, weights


def build(target_N: torch.Tensor, gamma: float) -> Method:
    torch.manual_seed(0)
    return methods.build("focal", linear, Labels(target_N, 3), {"gamma": gamma}, 1).double()


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_the_loss_follows_its_equation_and_gamma_0_is_cross_entropy(gamma: float) -> None:
    (batch,), target_N, _ = random_batches(1, 24, 3, 2)
    method = build(target_N, gamma)
    w, c = weights(method, "network")
    loss_B, _ = cross_entropy(batch.image.flatten(1).numpy() @ w.T + c, batch.target.numpy())
    ((_, seen),) = drive(method, batch, 0.1)
    assert seen == pytest.approx(((1 - np.exp(-loss_B)) ** gamma * loss_B).mean(), rel=1e-9)


def test_an_example_that_is_certain_leaves_the_gradient_finite() -> None:
    method = build(torch.zeros(1, dtype=torch.long), 0.5)
    with torch.no_grad():
        method.get_parameter("network.head.bias").copy_(torch.tensor([900.0, 0, 0]))
    batch = Batch(torch.tensor([0]), torch.zeros(1, 1, 2, 2).double(), torch.tensor([0]), None, None, torch.tensor([0]))
    drive(method, batch, 0.1)
    assert all(np.isfinite(w).all() for w in weights(method, "network"))
