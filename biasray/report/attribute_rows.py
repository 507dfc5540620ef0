"""What region classifiers say of images, as figures with intervals. Axes: N image, R resample, S bin, A place, H W pixel."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from biasray.metrics.calibration import Reliability
from biasray.metrics.interval import Interval, over_examples, percentile
from biasray.random import rng
from biasray.report.results import Row, bounds

RESAMPLES = 1000
CORRELATION = "correlation of two halves' mean maps"  # the one figure that is no share
HALVES = 200  # random ways to part the images in two
NEAR = 1 / 16  # of an image's side: a peak may lie so far outside of the box around what it shows

Floats = NDArray[np.float64]
Masks = NDArray[np.bool_]


class Mapped(NamedTuple):
    """Of one attribute, in the order of the images."""

    attribute: str
    names: tuple[str, ...]
    code_N: NDArray[np.int64]  # -1 where an image has no label
    region_NAA: Floats
    pixel_NHW: Floats
    sure: Reliability  # (N, S)
    shown_NHW: Masks | None  # where the attribute is seen, in data that are drawn; nowhere in images without it
    seconds: float  # of training


def rows(data: str, found: Sequence[Mapped]) -> list[Row]:
    """Accuracy and calibration of patches, and whether a mean map depends on which images it is the mean of.

    Intervals are over images: patches of one image come and go together.
    """
    out: list[Row] = []
    for one in found:
        base = {"data": data, "method": "regions", "setting": one.attribute, "group": "all", "seeds": 1, "seconds": one.seconds}
        known_N = one.code_N >= 0
        if n := int(known_N.sum()):
            sure = Reliability(*(part_NS[known_N] for part_NS in one.sure))
            whole, times_RN = Reliability(*(part_NS.sum(0) for part_NS in sure)), _times(n)
            drawn = Reliability(*(times_RN @ part_NS for part_NS in sure))
            right, right_R = (of.right_S.sum(-1) / of.n_S.sum(-1) for of in (whole, drawn))
            commonest = np.bincount(one.code_N[known_N]).max() / n
            for metric, value, interval in (
                ("accuracy of a patch", right, percentile(right_R)),
                ("always the commonest value", commonest, Interval(np.nan, np.nan)),
                # Chance makes bins look miscalibrated, in a resample once more than in the sample: the basic interval.
                ("expected calibration error", whole.error, over_examples(float(whole.error), drawn.error)),
            ):
                out.append(
                    {**base, "metric": metric, "value": float(value), "n": n, "interval": "images", **bounds(interval, True)}
                )
        out += [{**base, **row} for row in (_alike(one.pixel_NHW), *_hits(one))]
    return out


def _times(n: int) -> Floats:
    """(R, N) how often a bootstrap draws each image."""
    return np.asarray(rng("bootstrap").multinomial(n, np.full(n, 1 / n), RESAMPLES), np.float64)


def _alike(pixel_NHW: Floats) -> Row:
    """Correlation of the mean maps of two random halves of the images; the interval holds 95 % of the ways to halve them."""
    n, drawn, found = len(pixel_NHW), rng("halves"), []
    flat_NM = pixel_NHW.reshape(n, -1)
    for _ in range(HALVES):
        order = drawn.permutation(n)
        found.append(np.corrcoef(flat_NM[order[: n // 2]].mean(0), flat_NM[order[n // 2 :]].mean(0))[0, 1])
    interval = percentile(np.array(found))
    return {
        "metric": CORRELATION,
        "value": float(np.mean(found)),
        "n": n,
        "interval": "ways to halve",
        "low": interval.low,
        "high": interval.high,
    }


def _hits(one: Mapped) -> list[Row]:
    """Where it is known what shows the attribute: does the mean map of all images point there, in each image that has it?"""
    if one.shown_NHW is None:
        return []
    shown_MHW = one.shown_NHW[one.shown_NHW.any((1, 2))]
    general_HW = one.pixel_NHW.mean(0)
    out: list[Row] = []
    for metric, value_M in (
        ("AUROC of the general map", np.array([auroc(general_HW, shown_HW) for shown_HW in shown_MHW])),
        ("peak of the general map inside", np.array([inside(general_HW, shown_HW) for shown_HW in shown_MHW], float)),
    ):
        interval = percentile(_times(len(value_M)) @ value_M / len(value_M))
        row = {"metric": metric, "value": float(value_M.mean()), "n": len(value_M), "interval": "images"}
        out.append({**row, **bounds(interval, True)})
    return out


def auroc(map_HW: Floats, shown_HW: Masks) -> float:
    """How likely a pixel that shows the attribute has a higher value than one that does not (Mann and Whitney)."""
    rank_M, shown_M = rankdata(map_HW), shown_HW.ravel()
    n, rest = int(shown_M.sum()), int((~shown_M).sum())
    return float((rank_M[shown_M].sum() - n * (n + 1) / 2) / (n * rest))


def inside(map_HW: Floats, shown_HW: Masks) -> bool:
    """Whether the map's highest pixel lies in the box around what shows the attribute, made larger by `NEAR` on each side."""
    peak, more = np.unravel_index(map_HW.argmax(), map_HW.shape), NEAR * len(map_HW)
    for at, axis in zip(peak, (1, 0), strict=True):
        there = np.flatnonzero(shown_HW.any(axis))
        if not there[0] - more <= at <= there[-1] + more:
            return False
    return True
