"""Will it help to learn from these pseudo-labels? Judged before training, by what the start model says alone.

Self-training teaches a classifier to say what it is told, so what it will come to say of class t is what the pseudo-labels
that it learns from say of images of class t. With f_k the part of the pool's pseudo-labels k that balancing keeps, and s_tk
how often an image of class t is told as k with p above the threshold (of labelled validation images of the start model's own
data),

    accuracy of t after:  f_t s_tt / sum_k f_k s_tk,      before:  how often validation images of t are told as t.

That judges pool, balancing and start model together: in a pool of women equal shares make men of women (few of the labels
'woman' are kept) as far as the start model knows women. How often classes occur in the pool is estimated in two ways
(`metrics.shift`), which agree where the pool differs from validation in nothing else. Design: ours; the bounds were set
before anything was measured.
Axes: V validation image, P row of the pool, K class told, T true class, R resample, N image, D feature.
"""

from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from biasray.adaptation.balance import Balance, kept
from biasray.metrics.interval import percentile
from biasray.metrics.shift import calibrated, em, redrawn, resampled
from biasray.random import rng

RESAMPLES = 1000
ABSENT = 0.05  # a class with a smaller share of the pool is hardly there
NARROW = 0.5  # of the directions in which validation images vary
FEW = 100  # pseudo-labels of a class
SWAPPED = 0.2  # how much more often a start model is right if classes are named in another order
Word = Literal["works", "risky", "will harm"]
Floats = NDArray[np.float64]


class Told(NamedTuple):
    """What a start model says before it is adapted."""

    p_VK: Floats
    target_V: NDArray[np.int64]
    p_PK: Floats
    spread: float  # of the pool's images over that of validation images, as `directions` counts


class Expected(NamedTuple):
    value: float
    low: float
    high: float


class Outlook(NamedTuple):
    """What is to be expected of learning from pseudo-labels."""

    word: Word
    because: tuple[str, ...]  # in words, one a reason
    share_K: Floats  # how often classes occur in the pool: by black-box shift estimation; NaN where it cannot be told
    low_K: Floats
    high_K: Floats
    em_K: Floats  # and by expectation and maximisation
    kept_K: Floats  # pseudo-labels that are learnt from
    start_K: Floats  # accuracy of the start model on each class
    after_K: Floats  # expected once it has learnt
    accuracy: Expected  # change of their mean
    ratio: Expected  # change of the lowest over the highest


def outlook(told: Told, balance: Balance, threshold: float, classes: tuple[str, ...]) -> Outlook:
    """Raises ValueError where a class has no validation image, or where the start model names classes in another order."""
    n, said_V, said_P = len(classes), told.p_VK.argmax(1), told.p_PK.argmax(1)
    confusion_TK = _confusion(told.target_V, said_V, n)
    start_K = np.diag(confusion_TK) / np.maximum(confusion_TK.sum(1), 1)
    _refuse_other_order(confusion_TK, classes)
    em_K = em(calibrated(told.p_VK, told.target_V)(told.p_PK), confusion_TK.sum(1) / confusion_TK.sum())
    count_K = np.bincount(said_P, minlength=n)

    sure_V, sure_P = (p.max(1) > threshold for p in (told.p_VK, told.p_PK))
    there_K = np.bincount(said_P[sure_P], minlength=n)
    asked_K = {"none": None, "equal": np.full(n, 1 / n), "estimated": em_K}[balance]
    kept_K = kept(torch.from_numpy(there_K), None if asked_K is None else torch.from_numpy(asked_K)).numpy()
    part_K = kept_K / np.maximum(there_K, 1)

    drawn = rng("guard")
    both_TK = np.concatenate([_confusion(told.target_V[on], said_V[on], n) for on in (sure_V, ~sure_V)], 1)
    both_RTK = redrawn(both_TK, drawn, RESAMPLES)
    all_RTK = both_RTK[..., :n] + both_RTK[..., n:]
    share_RK = resampled(all_RTK, drawn.multinomial(len(said_P), count_K / len(said_P), RESAMPLES))
    known_RK = share_RK[~np.isnan(share_RK).any(1)]
    low_K, high_K = np.quantile(known_RK, [0.025, 0.975], axis=0) if len(known_RK) else (np.zeros(n), np.ones(n))
    (share_K,) = resampled(confusion_TK[None], count_K[None])
    start_RK = np.diagonal(all_RTK, axis1=1, axis2=2) / all_RTK.sum(2)
    (after_K,), after_RK = _taught(both_TK[None, :, :n], part_K, start_K[None]), _taught(both_RTK[..., :n], part_K, start_RK)
    found = Outlook(
        word="works",
        because=(),
        share_K=share_K,
        low_K=low_K,
        high_K=high_K,
        em_K=em_K,
        kept_K=kept_K,
        start_K=start_K,
        after_K=after_K,
        accuracy=Expected(float(after_K.mean() - start_K.mean()), *_bounds(after_RK.mean(1) - start_RK.mean(1))),
        ratio=Expected(float(_ratio(after_K) - _ratio(start_K)), *_bounds(_ratio(after_RK) - _ratio(start_RK))),
    )
    return _judged(found, told.spread, classes)


def _taught(sure_RTK: Floats | NDArray[np.int64], part_K: Floats, start_RT: Floats) -> Floats:
    """(R, T) what share of the pseudo-labels of images of a class are right; what it was where there is none."""
    learnt_RTK = sure_RTK * part_K
    right_RT, all_RT = np.diagonal(learnt_RTK, axis1=1, axis2=2), learnt_RTK.sum(2)
    return np.where(all_RT > 0, right_RT / np.where(all_RT > 0, all_RT, 1), start_RT)


def _ratio(share: Floats) -> Floats:
    highest = share.max(-1)
    return np.asarray(share.min(-1) / np.where(highest > 0, highest, 1))


def _bounds(value_R: Floats) -> tuple[float, float]:
    found = percentile(value_R)
    return found.low, found.high


def _judged(found: Outlook, spread: float, classes: tuple[str, ...]) -> Outlook:
    """With the verdict: harm has to be certain, and what works is expected to help and has nothing against it."""
    because, per_cent = list[str](), lambda x: f"{100 * x:.0f} %"
    for k, name in enumerate(classes):
        if found.after_K[k] < found.start_K[k]:
            then = f"{per_cent(found.after_K[k])} of what it learns of them says so"
            because.append(f"{name}: the start model tells {per_cent(found.start_K[k])}, {then}")
    harms = found.accuracy.high < 0 or found.ratio.high < 0
    falls = found.accuracy.value < 0 or found.ratio.value < 0
    against = list[str]()
    for k, name in enumerate(classes):
        if np.nanmin([found.share_K[k], found.em_K[k]]) < ABSENT:
            span = f"{per_cent(found.low_K[k])} to {per_cent(found.high_K[k])}, or {per_cent(found.em_K[k])}"
            against.append(f"hardly any of the pool is {name} ({per_cent(found.share_K[k])}, {span})")
        elif found.kept_K[k] < FEW:
            against.append(f"only {found.kept_K[k]:.0f} images are learnt as {name}")
        if found.start_K[k] < 1 / len(classes):
            against.append(f"the start model tells {name} less often than chance ({per_cent(found.start_K[k])})")
    if np.isnan(found.share_K).any():
        against.append("the start model says the same of every class, so how often they occur cannot be told")
    if ((found.em_K < found.low_K) | (found.em_K > found.high_K)).any():
        two = " and ".join(
            ", ".join(f"{n} {per_cent(x)}" for n, x in zip(classes, of, strict=True)) for of in (found.share_K, found.em_K)
        )
        against.append(f"the pool differs from validation in more than how often classes occur (two estimates: {two})")
    if spread < NARROW:
        against.append(f"the pool is narrow: its images vary in {per_cent(spread)} of the directions of validation images")
    word: Word = "will harm" if harms else "risky" if falls or against else "works"
    return found._replace(word=word, because=(*because, *against))


def directions(feature_ND: Floats) -> float:
    """In how many directions features vary: the participation ratio of their covariance's eigenvalues."""
    centred_ND = feature_ND - feature_ND.mean(0)
    covariance_DD = centred_ND.T @ centred_ND / max(len(centred_ND) - 1, 1)
    trace = np.trace(covariance_DD)
    return float(trace**2 / (covariance_DD**2).sum()) if trace > 0 else 0.0


def _confusion(target_N: NDArray[np.int64], said_N: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    return np.bincount(target_N * classes + said_N, minlength=classes**2).reshape(classes, classes)


def _refuse_other_order(confusion_TK: NDArray[np.int64], classes: tuple[str, ...]) -> None:
    rate_TK = confusion_TK / np.maximum(confusion_TK.sum(1, keepdims=True), 1)
    _, best_T = linear_sum_assignment(rate_TK, maximize=True)
    mean, best = np.diag(rate_TK).mean(), rate_TK[np.arange(len(classes)), best_T].mean()
    if mean < 1 / len(classes) and best > mean + SWAPPED:
        first = int(np.flatnonzero(best_T != np.arange(len(classes)))[0])
        raise ValueError(
            f"The start model knows the classes in another order: most of what is {classes[first]} it calls "
            f"{classes[best_T[first]]}; train it on labels that are named as these are."
        )
