"""Mathematics that methods share. Axes: B example of a batch, N row of the training table, K class."""

from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from biasray.contract import Batch
from biasray.world import World


def full(x: Tensor) -> Tensor:
    """In float32 at least: under autocast networks put out bfloat16, in which probabilities and their sums lose digits."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


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


@final
class RelativeLoss(nn.Module):
    """Each example's loss, as a moving average over its visits, relative to the largest of its class (LfF)."""

    UNSEEN = -1.0  # no loss is negative

    def __init__(self, target_N: Tensor, classes: int, alpha: float) -> None:
        super().__init__()
        self.classes, self.alpha = classes, alpha
        self.register_buffer("target_N", target_N, persistent=False)
        self.register_buffer("average_N", torch.full((len(target_N),), self.UNSEEN))

    def forward(self, world: World, batch: Batch, loss_B: Tensor) -> Tensor:
        """(B,) each example's average over the present maximum of its class in the whole table; no gradient."""
        average_N = self.get_buffer("average_N")
        old_B, new_B = average_N[batch.index], loss_B.detach().to(average_N.dtype)
        world.put(average_N, batch.index, torch.where(old_B < 0, new_B, self.alpha * old_B + (1 - self.alpha) * new_B))
        largest_K = class_max(average_N, self.get_buffer("target_N"), self.classes)
        return average_N[batch.index] / largest_K[batch.target].clamp(min=1e-12)
