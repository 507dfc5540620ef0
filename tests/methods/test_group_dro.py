"""GroupDRO against its equations in numpy, and the public frameworks' mistakes."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from biasray import methods
from biasray.contract import Batch, Labels, Method
from biasray.random import generator
from biasray.resident import Resident
from tests.methods_by_hand import cross_entropy, drive, linear, random_batches, weights

ETA, LR = 0.7, 0.3


def build(classes: int, biases: int, target_N: Tensor, bias_N: Tensor, **settings: float) -> Method:
    torch.manual_seed(0)
    told = Labels(target_N, classes, bias_N, biases)
    return methods.build("group-dro", linear, told, {"eta": ETA, **settings}, 1).double()


@pytest.mark.parametrize("adjustment", [0.0, 3.0])
def test_q_loss_and_weights_follow_the_equations(adjustment: float) -> None:
    classes, biases = 3, 2
    batches, target_N, bias_N = random_batches(6, 8, classes, biases)  # 8 examples of 6 groups: some are absent
    method = build(classes, biases, target_N, bias_N, adjustment=adjustment)
    n_G = np.bincount((target_N * biases + bias_N).numpy(), minlength=6)
    weight, shift = weights(method, "network")
    q = np.full(6, 1 / 6)
    absent = 0
    for batch in batches:
        x, y, g = batch.image.flatten(1).numpy(), batch.target.numpy(), batch.group.numpy()
        loss_B, error_BK = cross_entropy(x @ weight.T + shift, y)
        present = np.isin(np.arange(6), g)
        absent += int((~present).sum())
        loss_G = np.array([loss_B[g == i].mean() if p else 0.0 for i, p in enumerate(present)])
        q = q * np.exp(ETA * (loss_G + np.where(present, adjustment / np.sqrt(n_G), 0)))
        q /= q.sum()
        per_B = q[g] / np.bincount(g, minlength=6)[g]  # d loss / d loss_B
        ((networks, loss),) = drive(method, batch, LR)
        assert networks == ("network",)
        assert loss == pytest.approx((q * loss_G).sum(), rel=1e-5)
        np.testing.assert_allclose(method.get_buffer("q_G").numpy(), q, rtol=1e-6)
        weight -= LR * (per_B[:, None] * error_BK).T @ x
        shift -= LR * (per_B[:, None] * error_BK).sum(0)
        np.testing.assert_allclose(weights(method, "network")[0], weight, rtol=1e-5, atol=1e-6)
    assert absent > 3
    assert q.max() > 1.5 / 6


def test_an_absent_group_keeps_its_mass_but_for_normalising() -> None:
    target_N, bias_N = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 0, 1])
    method = build(2, 2, target_N, bias_N, adjustment=5.0)
    image = torch.rand(3, 1, 2, 2, dtype=torch.float64)
    target = torch.tensor([0, 0, 1])
    bias = torch.tensor([0, 0, 0])
    before = method.get_buffer("q_G").clone()
    drive(method, Batch(torch.arange(3), image, target, bias, target * 2 + bias, torch.arange(3)), LR)
    q_G = method.get_buffer("q_G")
    assert q_G.sum() == pytest.approx(1)
    assert q_G[1] == pytest.approx(q_G[3].item())  # groups 1 and 3 are absent: factor 1 each
    assert q_G[1] < q_G[0]
    assert q_G[1] > 0
    assert q_G[1] / before[1] > np.exp(-ETA * 10)


@pytest.mark.parametrize(("classes", "biases"), [(3, 2), (2, 4), (2, 2)])
def test_group_ids_neither_collide_nor_leave_the_range(classes: int, biases: int) -> None:
    target_N, bias_N = (x.flatten().numpy() for x in torch.meshgrid(torch.arange(classes), torch.arange(biases), indexing="ij"))
    table = Resident(np.zeros((len(target_N), 2, 2, 1), np.uint8), target_N, bias_N, biases)
    rows = torch.arange(len(table))
    group_B = table.fetch(rows, rows).group
    assert group_B is not None
    assert sorted(group_B.tolist()) == list(range(classes * biases))
    method = build(classes, biases, table.target_N, table.bias_N)
    assert torch.equal(method.get_buffer("group_N"), group_B)


@pytest.mark.parametrize(("classes", "biases"), [(3, 2), (2, 4)])
def test_every_group_has_a_loss(classes: int, biases: int) -> None:
    for group in range(classes * biases):
        target, bias = torch.tensor([group // biases]), torch.tensor([group % biases])
        method = build(classes, biases, torch.arange(classes).repeat(biases), torch.arange(biases).repeat_interleave(classes))
        batch = Batch(torch.zeros(1).long(), torch.rand(1, 1, 2, 2).double(), target, bias, target * biases + bias, target)
        ((_, loss),) = drive(method, batch, LR)
        assert loss > 0
        assert method.get_buffer("q_G").argmax() == group


def test_rows_are_balanced_over_groups() -> None:
    target_N, bias_N = torch.tensor([0] * 900 + [1] * 100), torch.tensor([0] * 880 + [1] * 20 + [0] * 10 + [1] * 90)
    method = build(2, 2, target_N, bias_N)
    rows = method.stages()[0].streams["train"].rows
    assert rows is not None
    drawn = torch.cat([rows(generator(i)) for i in range(20)])
    share_G = torch.bincount(target_N[drawn] * 2 + bias_N[drawn], minlength=4) / len(drawn)
    assert (share_G - 0.25).abs().max() < 0.02
    assert isinstance(method.get_submodule("network"), nn.Module)


def test_a_group_without_training_examples_holds_no_mass() -> None:
    method = build(2, 2, torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1]))
    assert method.get_buffer("q_G").tolist() == pytest.approx([1 / 3, 1 / 3, 0, 1 / 3])
