"""FlexMatch (Zhang et al. 2021): FixMatch with a threshold for each class, lower where few are told with certainty yet.

    beta_k = n_k / max(max_k n_k, unused),   tau_k = max(tau beta_k / (2 - beta_k), floor)

n_k pool images were told as k when they were last told with p >= tau, `unused` were never told so surely.
Own settings: FixMatch's. Departures: its own, and the floor: with two classes a threshold below 1/2 lets everything pass, which
is so from beta 0.69 downwards.
Axes: B example, P row of the pool, K class.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from biasray.adaptation import matching
from biasray.adaptation.matching import Matching
from biasray.contract import Batch, Labels


@dataclass(frozen=True, kw_only=True)
class Config(matching.Config):
    floor: float = 0.6
    """No class's threshold is lower."""


@final
class FlexMatch(Matching):
    def __init__(self, make: Callable[[int], nn.Module], labels: Labels, config: Config, epochs: int) -> None:
        super().__init__(make, labels, config, epochs)
        self.floor = config.floor
        self.register_buffer("label_P", torch.full((self.pool,), -1))

    def thresholds(self) -> Tensor:
        label_P = self.get_buffer("label_P")
        count_K = torch.bincount(label_P[label_P >= 0], minlength=self.classes)
        beta_K = count_K / torch.maximum(count_K.max(), (label_P < 0).sum()).clamp_min(1)
        return (self.config.threshold * beta_K / (2 - beta_K)).clamp_min(self.floor)

    def note(self, batch: Batch, label_B: Tensor, p_B: Tensor) -> None:
        label_P = self.get_buffer("label_P")
        before_B = label_P[batch.index]
        self.world.put(label_P, batch.index, torch.where(p_B >= self.config.threshold, label_B, before_B))
