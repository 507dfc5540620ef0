"""How well a network that is to learn the bias tells aligned from conflicting training examples: Zhang et al., MM 2024.

What it gets right it calls aligned, what it gets wrong conflicting. An example is aligned where its bias value goes with its
target: where both have the same code. Axes: N example, K class; rates may have any leading axes (resamples, seeds).
"""

from collections.abc import Mapping

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from biasray.metrics.counts import Floats

SIDES = ("aligned", "conflicting")
Sides = dict[str, dict[str, float]]  # of each of SIDES: n examples, how many are wrong, sum of their cross-entropies

TITLES = {
    "bias_accuracy": "bias accuracy",
    "conflicting_precision": "precision of the found conflicting set",
    "conflicting_recall": "recall of the found conflicting set",
}


def sides(logits_NK: Tensor, target_N: Tensor, bias_N: Tensor) -> Sides:
    """What a network makes of aligned and of conflicting examples."""
    wrong_N, loss_N = logits_NK.argmax(1) != target_N, F.cross_entropy(logits_NK, target_N, reduction="none")
    here_SN = (target_N == bias_N, target_N != bias_N)
    return {
        side: {"n": int(here_N.sum()), "wrong": int(wrong_N[here_N].sum()), "loss": float(loss_N[here_N].sum())}
        for side, here_N in zip(SIDES, here_SN, strict=True)
    }


def figures(rate: Mapping[str, Floats], n: Mapping[str, int]) -> dict[str, Floats]:
    """Those of TITLES, from the error rate on either of SIDES and how many examples of it the training table holds.

    Bias accuracy is the mean of the accuracy on aligned and the error rate on conflicting examples (table 3 there). The
    precision is NaN where nothing was found.
    """
    wrong_aligned, wrong_conflicting = (n[side] * rate[side] for side in SIDES)
    with np.errstate(invalid="ignore"):
        precision = wrong_conflicting / (wrong_aligned + wrong_conflicting)
    return {
        "bias_accuracy": (1 - rate["aligned"] + rate["conflicting"]) / 2,
        "conflicting_precision": precision,
        "conflicting_recall": rate["conflicting"],
    }
