"""Mathematics that methods share. Axes: B example of a batch, N row of the training table, K class."""

import torch.nn.functional as F
from torch import Tensor


def ce(logits_BK: Tensor, target_B: Tensor) -> Tensor:
    """(B,) cross-entropy of each example."""
    return F.cross_entropy(logits_BK, target_B, reduction="none")


def p_true(logits_BK: Tensor, target_B: Tensor) -> Tensor:
    """(B,) softmax probability of each example's own class."""
    return logits_BK.softmax(1).gather(1, target_B[:, None])[:, 0]


def gce(logits_BK: Tensor, target_B: Tensor, q: float) -> Tensor:
    """(B,) generalised cross-entropy (1 - p^q) / q times q, up to a constant (Zhang and Sabuncu 2018).

    Written as CE weighted with q p^q, which has q times its gradient: what LfF's authors run.
    """
    return q * p_true(logits_BK, target_B).detach() ** q * ce(logits_BK, target_B)


def class_max(value_N: Tensor, class_N: Tensor, classes: int) -> Tensor:
    """(K,) largest value of each class over the whole table; 0 for a class without rows."""
    return value_N.new_zeros(classes).scatter_reduce_(0, class_N, value_N, "amax", include_self=False)


def group_mean(value_B: Tensor, group_B: Tensor, groups: int) -> tuple[Tensor, Tensor]:
    """Sums of a value and counts of examples, each (groups,): their quotient is the mean of each group."""
    one_BG = F.one_hot(group_B, groups).to(value_B.dtype)
    return (value_B[:, None] * one_BG).sum(0), one_BG.sum(0)
