"""What a provider may do to the answers, on purpose or not, before an auditor sees them. Axes: M model, N image."""

from collections.abc import Callable, Mapping

import numpy as np

from biasray.audit.figures import Target
from biasray.metrics.counts import Floats
from biasray.random import rng

NOISE: Mapping[Target, float] = {"age": 2.0, "gender": 0.1}  # standard deviation
FINE: Mapping[Target, float] = {"age": 1.0, "gender": 0.01}  # what answers are rounded to
COARSE: Mapping[Target, float] = {"age": 10.0, "gender": 1.0}  # decades, or the label alone


def _rounded(answer_MN: Floats, usual_N: Floats, target: Target) -> Floats:
    return np.round(answer_MN / FINE[target]) * FINE[target]


def _coarse(answer_MN: Floats, usual_N: Floats, target: Target) -> Floats:
    return np.round(answer_MN / COARSE[target]) * COARSE[target]


def _noisy(answer_MN: Floats, usual_N: Floats, target: Target) -> Floats:
    return answer_MN + rng("noise").normal(0, NOISE[target], answer_MN.shape)


def _masked(answer_MN: Floats, usual_N: Floats, target: Target) -> Floats:
    return np.broadcast_to(usual_N, answer_MN.shape).copy()


# From answers, and the references' mean answer to each image, to answers.
GAMES: Mapping[str, Callable[[Floats, Floats, Target], Floats]] = {
    "rounded": _rounded,
    "labels only": _coarse,  # of ages the decade
    "noise": _noisy,
    "the usual answers": _masked,  # of one who knows the images, and hides what his model says
}
