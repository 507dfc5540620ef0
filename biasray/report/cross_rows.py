"""Classifiers on data sets, by groups of their images: accuracy, whom each fails, and how unequal it is.

Axes: N tested image, S seed, R resample, T target.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biasray.bias.subgroups import Subgroup, subgroups
from biasray.metrics.interval import Interval, over_examples, over_seeds, proportion, worse_p
from biasray.random import rng
from biasray.report.results import Row, bounds, corrected

ACCURACY, BEHIND, RATIO = "accuracy", "accuracy minus that of all others", "accuracy ratio"
ALL = "all"
SURE = 0.05  # a group is failed where the corrected p is below this
HIDDEN = 0.10  # and an average hides it where the group is so far below
RESAMPLES = 1000


class Answered(NamedTuple):
    """One classifier on one data set."""

    classifier: str
    data: str
    examples: pd.DataFrame  # of the tested images, with their attributes
    said_SN: NDArray[np.object_]


def rows(found: Sequence[Answered], target: str, attributes: Sequence[str], fewest: int) -> list[Row]:
    """Every figure with intervals over images and over seeds, and p of every group's deficit, corrected for all groups of all
    classifiers and data sets together (Holm)."""
    out: list[Row] = []
    for one in found:
        right_SN = one.said_SN == one.examples[target].to_numpy()
        seeds, n = right_SN.shape
        base: Row = {"data": one.data, "method": one.classifier, "setting": "", "seeds": seeds}
        out += _accuracy({**base, "group": ALL}, right_SN)
        named = [name for name in attributes if name in one.examples]
        for group in subgroups(one.examples, named, fewest):
            if len(group.row_G) < n:
                out += _of_group(
                    {**base, "group": group.name, "setting": " x ".join(group.attributes), "values": list(group.values)},
                    group,
                    right_SN,
                )
        out += _ratio({**base, "group": ALL, "setting": target}, right_SN, one.examples[target])
    return corrected(out, "metric")


def failed(found: Sequence[Row]) -> list[Row]:
    """Groups that are surely classified worse than all others, the worst first."""
    sure = [r for r in found if r["metric"] == BEHIND and r.get("p") is not None and r["p"] < SURE]
    return sorted(sure, key=lambda r: r["value"])


def hidden(found: Sequence[Row]) -> list[Row]:
    """Of those the ones that an average hides: it is HIDDEN above them. A part of a group that is listed is so only where it is
    as far below that again."""
    out: list[Row] = []
    for row in sorted(failed(found), key=lambda r: (len(_parts(r)), r["value"])):
        share = _share(found, row)
        around = [r for r in out if (r["method"], r["data"]) == (row["method"], row["data"]) and _parts(r) < _parts(row)]
        least = min([_share(found, {**row, "group": ALL}), *(_share(found, r) for r in around)])
        if least - share >= HIDDEN:
            out.append(row)
    return sorted(out, key=lambda r: _share(found, r))


def _parts(row: Row) -> set[str]:
    return set(row["values"])


def _share(found: Sequence[Row], row: Row) -> float:
    own = at(found, row["method"], row["data"], row["group"], ACCURACY)
    assert own
    return float(own["value"])


def at(found: Sequence[Row], classifier: str, data: str, group: str, metric: str, interval: str = "images") -> Row | None:
    """One figure; None where there is none."""
    key = (classifier, data, group, metric, interval)
    same = (r for r in found if (r["method"], r["data"], r["group"], r["metric"], r["interval"]) == key)
    return next(same, None)


def _accuracy(base: Row, right_SN: NDArray[np.bool_]) -> list[Row]:
    value_S, n = right_SN.mean(1), right_SN.shape[1]
    row = {**base, "metric": ACCURACY, "value": float(value_S.mean()), "n": n}
    over_images = proportion(float(right_SN.sum(1).mean()), n)
    return [
        {**row, "interval": kind, **bounds(i, True)} for kind, i in (("images", over_images), ("seeds", over_seeds(value_S)))
    ]


def _of_group(base: Row, group: Subgroup, right_SN: NDArray[np.bool_]) -> list[Row]:
    inside_N = np.zeros(right_SN.shape[1], bool)
    inside_N[group.row_G] = True
    right_N = right_SN.mean(0)
    gap = right_N[inside_N].mean() - right_N[~inside_N].mean()
    error = np.sqrt(sum(side_M.var() / max(len(side_M) - 1, 1) for side_M in (right_N[inside_N], right_N[~inside_N])))
    behind = {**base, "metric": BEHIND, "value": float(gap), "n": int(inside_N.sum()), "interval": "images"}
    behind |= bounds(Interval(gap - 1.96 * error, gap + 1.96 * error), False)
    return [*_accuracy(base, right_SN[:, inside_N]), {**behind, "p": worse_p(right_N, inside_N)}]


def _ratio(base: Row, right_SN: NDArray[np.bool_], target_N: pd.Series) -> list[Row]:
    """The lowest accuracy of a target over the highest: the slides' 'selection rate', 1 where all are served alike.

    No ratio of a sample is above 1, so resamples lie below the sample's as that does below the true one: the basic interval.
    """
    code_N = pd.factorize(target_N, sort=True)[0]
    if code_N.max() < 1:
        return []
    exact, sampled, drawn = [], [], rng("ratio")
    for t in range(code_N.max() + 1):
        pattern_KS, n_K = np.unique(right_SN[:, code_N == t].T, axis=0, return_counts=True)
        exact.append(n_K @ pattern_KS / n_K.sum())
        sampled.append(drawn.multinomial(n_K.sum(), n_K / n_K.sum(), RESAMPLES) @ pattern_KS / n_K.sum())
    value_S, value_RS = _over(np.stack(exact, -1)), _over(np.stack(sampled, -1))
    row = {**base, "metric": RATIO, "value": float(value_S.mean()), "n": len(code_N)}
    intervals = (("images", over_examples(float(value_S.mean()), value_RS.mean(1))), ("seeds", over_seeds(value_S)))
    return [{**row, "interval": kind, **bounds(interval, True)} for kind, interval in intervals]


def _over(accuracy: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore"):
        return np.asarray(np.nan_to_num(accuracy.min(-1) / accuracy.max(-1)))
