"""Shared mathematics against plain loops."""

import math

import pytest
import torch

from biasray.losses import ce, class_max, gce, group_mean, p_true

LOGITS_BK = torch.tensor([[2.0, -1.0, 0.5], [0.0, 0.0, 0.0], [-3.0, 1.0, 4.0], [1.0, 5.0, 2.0]], dtype=torch.float64)
TARGET_B = torch.tensor([0, 2, 1, 1])


def by_hand(logits: list[float], target: int) -> float:
    return math.exp(logits[target]) / sum(math.exp(x) for x in logits)


def test_cross_entropy_and_probability_are_of_each_example() -> None:
    p_B = torch.tensor([by_hand(x, t) for x, t in zip(LOGITS_BK.tolist(), TARGET_B.tolist(), strict=True)]).double()
    torch.testing.assert_close(p_true(LOGITS_BK, TARGET_B), p_B, rtol=1e-6, atol=0)
    torch.testing.assert_close(ce(LOGITS_BK, TARGET_B), -p_B.log(), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("q", [0.3, 0.7, 1.0])
def test_gce_has_q_times_the_gradient_of_its_definition(q: float) -> None:
    ours, defined = LOGITS_BK.clone().requires_grad_(), LOGITS_BK.clone().requires_grad_()
    gce(ours, TARGET_B, q).sum().backward()
    ((1 - p_true(defined, TARGET_B) ** q) / q).sum().backward()
    assert ours.grad is not None
    assert defined.grad is not None
    torch.testing.assert_close(ours.grad, q * defined.grad)


def test_class_max_is_over_the_table_and_0_for_a_class_without_rows() -> None:
    value_N, class_N = torch.tensor([0.5, -1.0, 2.0, -3.0]), torch.tensor([0, 3, 0, 3])
    assert class_max(value_N, class_N, 5).tolist() == [2.0, 0.0, 0.0, -1.0, 0.0]


def test_group_sums_and_counts() -> None:
    total_G, count_G = group_mean(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([3, 0, 3]), 5)
    assert total_G.tolist() == [2, 0, 0, 5, 0]
    assert count_G.tolist() == [1, 0, 0, 2, 0]
