"""Will it help to learn from these pseudo-labels? Judged before training, by what the start model says alone.

Pseudo-labels are the start model's own answers, so they teach it nothing of where classes part; what changes is how often
each class is seen. A classifier that learns from shares m_k of the classes comes to weigh them so (label shift: Saerens,
Latinne, Decaestecker 2002), as far as it is unsure. With c_k the start model's probabilities, calibrated on labelled
validation images of its own data, where classes occur with shares v_k, it is expected to say

    argmax_k c_k m_k / v_k,      m_k: shares of the pseudo-labels that are above the threshold and that balancing keeps
                                 (beside those of labelled images, by the weights of their losses, where they are learnt from),

which is tried on the validation images. That judges pool, balancing and start model together: a pool of women moves a
classifier towards women, which helps one that took women for men. How often classes really occur in the pool is estimated in
two ways (`metrics.shift`), which agree where the pool differs from validation in nothing else. Design: ours. A first version
took pseudo-labels for noisy ones and asked how many of each class are right; a pilot of four adaptations went the other way.
Axes: V validation image, P row of the pool, K class, R resample, N image, D feature.
"""

from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from biasray.adaptation.balance import Balance, kept
from biasray.metrics.interval import percentile, times_drawn
from biasray.metrics.ratio import lowest_over_highest
from biasray.metrics.shift import calibrated, em, redrawn, resampled
from biasray.random import rng

RESAMPLES = 1000
ABSENT = 0.05  # a class with a smaller share of the pool is hardly there
NARROW = 0.5  # of the directions in which validation images vary
FEW = 100  # pseudo-labels of a class
KNOWN = 30  # validation images of a class, without which nothing is certain
SWAPPED = 0.2  # how much more often a start model is right if classes are named in another order
Word = Literal["works", "risky", "will harm"]
Floats = NDArray[np.float64]


class Told(NamedTuple):
    """What a start model says before it is adapted."""

    p_VK: Floats
    target_V: NDArray[np.int64]
    p_PK: Floats
    labelled_K: Floats  # shares of the classes among the images that it learnt from
    spread: float  # of the pool's images over that of validation images, as `directions` counts


class Survey(NamedTuple):
    """A pool as the start model sees it, whatever is then learnt from it."""

    told: Told
    classes: tuple[str, ...]
    likely_VK: Floats  # probabilities of validation images, calibrated
    prior_K: Floats  # how often classes occur among them
    share_K: Floats  # how often they occur in the pool, by black-box shift estimation; NaN where it cannot be told
    low_K: Floats
    high_K: Floats
    em_K: Floats  # and by expectation and maximisation


class Expected(NamedTuple):
    value: float
    low: float
    high: float


class Outlook(NamedTuple):
    """What is to be expected of learning from pseudo-labels."""

    word: Word
    because: tuple[str, ...]  # in words, one a reason
    kept_K: Floats  # pseudo-labels that are learnt from
    start_K: Floats  # accuracy of the start model on each class
    after_K: Floats  # expected once it has learnt
    accuracy: Expected  # change of their mean
    ratio: Expected  # change of the lowest over the highest
    known: int  # validation images of the class that has fewest


def surveyed(told: Told, classes: tuple[str, ...]) -> Survey:
    """Raises ValueError where a class has no validation image, or where the start model names classes in another order."""
    n, drawn = len(classes), rng("guard")
    confusion_TK = np.bincount(told.target_V * n + told.p_VK.argmax(1), minlength=n * n).reshape(n, n)
    _refuse_other_order(confusion_TK, classes)
    right, prior_K = calibrated(told.p_VK, told.target_V), confusion_TK.sum(1) / confusion_TK.sum()
    count_K = np.bincount(told.p_PK.argmax(1), minlength=n)
    (share_K,) = resampled(confusion_TK[None], count_K[None])
    count_RK = drawn.multinomial(count_K.sum(), count_K / count_K.sum(), RESAMPLES)
    share_RK = resampled(redrawn(confusion_TK, drawn, RESAMPLES), count_RK)
    known_RK = share_RK[~np.isnan(share_RK).any(1)]
    low_K, high_K = np.quantile(known_RK, [0.025, 0.975], axis=0) if len(known_RK) else (np.zeros(n), np.ones(n))
    return Survey(told, classes, right(told.p_VK), prior_K, share_K, low_K, high_K, em(right(told.p_PK), prior_K))


def outlook(survey: Survey, balance: Balance, threshold: float, weight: float | None = None) -> Outlook:
    """What learning from the pseudo-labels above a threshold, balanced so, will do: alone, or beside labelled images with this
    weight of their loss. (FlexMatch's own thresholds are lower at first.)"""
    told, n = survey.told, len(survey.classes)
    said_V, said_P = told.p_VK.argmax(1), told.p_PK.argmax(1)
    there_K = np.bincount(said_P[told.p_PK.max(1) > threshold], minlength=n)
    asked_K = {"none": None, "equal": np.full(n, 1 / n), "estimated": survey.em_K}[balance]
    kept_K = kept(torch.from_numpy(there_K), None if asked_K is None else torch.from_numpy(asked_K)).numpy()
    learnt_K = kept_K if weight is None else told.labelled_K + weight * kept_K / len(said_P)
    after_V = (survey.likely_VK * learnt_K / survey.prior_K).argmax(1) if kept_K.any() else said_V
    times_RV = np.concatenate([np.ones((1, len(said_V))), times_drawn(told.target_V, rng("guard"), RESAMPLES)])
    start_RK, after_RK = (_accuracies(said == told.target_V, told.target_V, times_RV) for said in (said_V, after_V))
    accuracy, ratio = (
        _expected(after_RK.mean(1) - start_RK.mean(1)),
        _expected(lowest_over_highest(after_RK, 1) - lowest_over_highest(start_RK, 1)),
    )
    known = int(np.bincount(told.target_V, minlength=n).min())
    return _judged(Outlook("works", (), kept_K, start_RK[0], after_RK[0], accuracy, ratio, known), survey)


def _accuracies(right_V: NDArray[np.bool_], target_V: NDArray[np.int64], times_RV: Floats) -> Floats:
    """(R, K) of each class."""
    each = [times_RV[:, target_V == k] @ right_V[target_V == k] / (target_V == k).sum() for k in np.unique(target_V)]
    return np.stack(each, 1)


def _expected(value_R: Floats) -> Expected:
    """The first is what is there, the others are a bootstrap."""
    interval = percentile(value_R[1:])
    return Expected(float(value_R[0]), interval.low, interval.high)


def _judged(found: Outlook, survey: Survey) -> Outlook:
    """With the verdict: harm has to be certain, and what works is expected to help and has nothing against it."""
    because, against = list[str](), _against(found, survey)
    for k, name in enumerate(survey.classes):
        if found.after_K[k] < found.start_K[k]:
            change = f"{_percent(found.start_K[k])} to {_percent(found.after_K[k])}"
            kept_share = _percent(found.kept_K[k] / found.kept_K.sum())
            because.append(f"{name} is told rightly less often, {change}; {kept_share} of the pseudo-labels say {name}")
    harms = found.accuracy.high < 0 or found.ratio.high < 0
    falls = found.accuracy.value < 0 or found.ratio.value < 0
    word: Word = "will harm" if harms and found.known >= KNOWN else "risky" if harms or falls or against else "works"
    return found._replace(word=word, because=(*because, *against))


def _against(found: Outlook, survey: Survey) -> list[str]:
    """What speaks against a pool, or against what the start model says of it."""
    said = list[str]()
    for k, name in enumerate(survey.classes):
        share, em_share = survey.share_K[k], survey.em_K[k]
        if np.nanmin([share, em_share]) < ABSENT:
            span = f"{_percent(share)}, {_percent(survey.low_K[k])} to {_percent(survey.high_K[k])}, or "
            said.append(f"hardly any of the pool is {name} ({'' if np.isnan(share) else span}{_percent(em_share)})")
        elif found.kept_K[k] < FEW:
            said.append(f"only {found.kept_K[k]:.0f} images are learnt as {name}")
        if found.start_K[k] < 1 / len(survey.classes):
            said.append(f"the start model tells {name} less often than chance ({_percent(found.start_K[k])})")
    if found.known < KNOWN:
        said.append(f"a class has {found.known} validation images only, so little is certain")
    if np.isnan(survey.share_K).any():
        said.append("the start model says the same of every class, so how often they occur cannot be told")
    elif ((survey.em_K < survey.low_K) | (survey.em_K > survey.high_K)).any():
        two = " and ".join(
            ", ".join(f"{name} {_percent(x)}" for name, x in zip(survey.classes, of, strict=True))
            for of in (survey.share_K, survey.em_K)
        )
        said.append(f"the pool differs from validation in more than how often classes occur (two estimates: {two})")
    if survey.told.spread < NARROW:
        spread = _percent(survey.told.spread)
        said.append(f"the pool is narrow: its images vary in {spread} of the directions of validation images")
    return said


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def directions(feature_ND: Floats) -> float:
    """In how many directions features vary: the participation ratio of their covariance's eigenvalues."""
    centred_ND = feature_ND - feature_ND.mean(0)
    covariance_DD = centred_ND.T @ centred_ND / max(len(centred_ND) - 1, 1)
    trace = np.trace(covariance_DD)
    return float(trace**2 / (covariance_DD**2).sum()) if trace > 0 else 0.0


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
