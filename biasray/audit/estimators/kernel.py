"""Kernel regression in a learnt plane: the mean of the references, each by exp(-squared distance).

W makes each reference come out from the others (Weinberger and Tesauro 2007, Metric Learning for Kernel Regression):

    L = mean_i (y_i - sum_j a_ij y_j)^2,    a_ij = exp(-|z_i - z_j|^2) / sum_{k != i} exp(-|z_i - z_k|^2),  a_ii = 0.
"""

from typing import final

import numpy as np
import torch
from scipy.special import softmax
from torch import Tensor

from biasray.audit.embedding import Embedding, Floats, pulled


@final
class Kernel(Embedding):
    scale = 4.0

    def loss(self, place_RD: Tensor, y_R: Tensor) -> tuple[Tensor, Tensor]:
        share_RR = torch.cdist(place_RD, place_RD).square_().neg_().fill_diagonal_(-torch.inf).softmax(1)
        told_R = share_RR @ y_R
        off_R = told_R - y_R
        # d told_i / d |z_i - z_j|^2 = -a_ij (y_j - told_i)
        pull_RR = (told_R[:, None] - y_R).mul_(share_RR).mul_(off_R[:, None] * (2 / len(y_R)))
        return off_R.square().mean(), pulled(pull_RR, place_RD)

    def near(self, distance_MR: Floats, y_R: Floats) -> Floats:
        return np.asarray(softmax(-(distance_MR**2), axis=1) @ y_R)


ESTIMATORS = {"kernel": Kernel}
