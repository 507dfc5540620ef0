"""Neighbours in a plane whose distances are the differences of bias: multidimensional scaling by a linear map.

L = mean_ij (|z_i - z_j| - |y_i - y_j|)^2
"""

from typing import final

import numpy as np
import torch
from torch import Tensor

from biasray.audit.embedding import Embedding, Floats, pulled

NEIGHBOURS = 5


@final
class Stress(Embedding):
    scale = 1.0

    def loss(self, place_RD: Tensor, y_R: Tensor) -> tuple[Tensor, Tensor]:
        distance_RR, wanted_RR = torch.cdist(place_RD, place_RD), (y_R[:, None] - y_R).abs()
        off_RR = distance_RR - wanted_RR
        # d off^2 / d distance^2 = off / distance
        pull_RR = off_RR / distance_RR.clamp(min=1e-6) / len(y_R) ** 2
        return off_RR.square().mean(), pulled(pull_RR.fill_diagonal_(0), place_RD)

    def near(self, distance_MR: Floats, y_R: Floats) -> Floats:
        nearest_MK = np.argsort(distance_MR, axis=1, kind="stable")[:, :NEIGHBOURS]
        return np.asarray(y_R[nearest_MK].mean(1))


ESTIMATORS = {"stress": Stress}
