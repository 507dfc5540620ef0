"""How often each class occurs among images without labels, from what a classifier says of them.

The classifier is taken to see the same kinds of images of each class as where it was measured: only how often classes occur may
differ (label shift). Axes: N image, K class, T true class, P predicted class, R resample.
"""

from collections.abc import Callable
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from sklearn.linear_model import LogisticRegression

from biasray.metrics.counts import Floats

STEPS, CLOSE = 10_000, 1e-9


def calibrated(p_VK: Floats, target_V: NDArray[np.int64]) -> Callable[[Floats], Floats]:
    """What makes probabilities right for labelled images: a logistic regression on their logarithms, with two classes a
    temperature and a bias for each, without which `em` goes far astray (Alexandari, Kundaje, Shrikumar 2020).

    Raises ValueError where a class has no labelled image.
    """
    if len(np.unique(target_V)) < p_VK.shape[1]:
        raise ValueError("A class has no labelled image, so how often it is mistaken is not known; label some.")
    fitted = LogisticRegression(max_iter=1000).fit(_logs(p_VK), target_V)
    return lambda p_NK: np.asarray(fitted.predict_proba(_logs(p_NK)))


def _logs(p_NK: Floats) -> Floats:
    return np.asarray(np.log(np.clip(p_NK, 1e-9, 1)))


def em(p_NK: Floats, prior_K: Floats) -> Floats:
    """(K,) shares by expectation and maximisation (Saerens, Latinne, Decaestecker 2002): probabilities are weighed by how often
    classes seem to occur, against how often they did in training (`prior_K`), until nothing changes.

    It is right as far as probabilities are calibrated.
    """
    share_K = prior_K.copy()
    for _ in range(STEPS):
        weighed_NK = p_NK * (share_K / prior_K)
        new_K = (weighed_NK / weighed_NK.sum(1, keepdims=True)).mean(0)
        if np.abs(new_K - share_K).max() < CLOSE:
            break
        share_K = new_K
    return np.asarray(new_K)


def black_box(confusion_TP: Floats | NDArray[np.int64], said_P: Floats | NDArray[np.int64]) -> Floats:
    """(T,) shares with which a classifier that errs as in `confusion_TP` (counts where labels are known) would say `said_P`
    (Rogan and Gladen 1978 for two classes; Lipton, Wang, Smola 2018). Those nearest to it, where there are none without
    negative ones.

    Raises ValueError where a class was not measured, or what is said does not depend on the class.
    """
    n_T = confusion_TP.sum(1)
    if (n_T == 0).any():
        raise ValueError("A class has no labelled image, so how often it is mistaken is not known; label some.")
    rate_TP = confusion_TP / n_T[:, None]
    if np.linalg.matrix_rank(rate_TP, tol=1e-3) < len(rate_TP):
        raise ValueError("What the classifier says does not depend on the class, so nothing can be corrected.")
    share_T, _ = nnls(rate_TP.T, np.asarray(said_P / said_P.sum(), np.float64))
    return np.asarray(share_T / share_T.sum())


def redrawn(confusion_TP: NDArray[np.int64], rng: np.random.Generator, resamples: int) -> NDArray[np.int64]:
    """(R, T, P) counts of other labelled images, drawn with replacement."""
    n_T = confusion_TP.sum(1)
    each = [rng.multinomial(n, row_P / n, resamples) for n, row_P in zip(n_T, confusion_TP, strict=True)]
    return np.stack(each, 1)


def resampled(confusion_RTP: NDArray[np.int64], said_RP: NDArray[np.int64]) -> Floats:
    """(R, T) shares of each resample; NaN where its labelled images leave nothing to correct by."""
    out_RT = np.full((len(said_RP), confusion_RTP.shape[1]), np.nan)
    for r, (confusion_TP, said_P) in enumerate(zip(confusion_RTP, said_RP, strict=True)):
        with suppress(ValueError):
            out_RT[r] = black_box(confusion_TP, said_P)
    return out_RT
