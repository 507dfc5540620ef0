"""FixMatch (Sohn et al. 2020): labelled images, and unlabelled ones whose strong view is told as the weak one is.

    L = mean_B CE(f(weak(x)), y) + lambda mean_U 1[max p >= tau] CE(f(strong(u)), argmax p),   p = softmax f(weak(u))

Own settings: tau 0.95, lambda 1, mu 7, batch 64, SGD 0.03 with momentum 0.9 and weight decay 5e-4, moving average 0.999.
Departures: the learning rate falls as half a cosine, not 7/16 of one; it starts from a trained model; 20 epochs of the labelled
images, not 2^20 steps; pseudo-labels can be balanced (`balance`). Averages over unlabelled images count those left out, whose
strong views are not looked at (batch norm does without them).
"""

from typing import final

from torch import Tensor

from biasray.adaptation import matching
from biasray.adaptation.matching import Matching

Config = matching.Config


@final
class FixMatch(Matching):
    def thresholds(self) -> Tensor:
        prior_K: Tensor = self.get_buffer("prior_K")
        return prior_K.new_full(prior_K.shape, self.config.threshold)
