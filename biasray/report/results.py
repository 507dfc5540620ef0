"""Rows of results: every figure with its interval, the interval's kind, n and the number of seeds.

A figure is the mean over seeds. Its interval over *examples* is a stratified bootstrap of the test split that
all seeds share; its interval over *seeds* is Student's t. A difference from the baseline is paired by seed, and its row over
seeds has p, of a paired t test, corrected for the number of methods (Holm). Axes: R resample, S seed, N test example.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biasray import metrics
from biasray.metrics.counts import Counts, Floats, Ints, count
from biasray.metrics.interval import Interval, holm, over_examples, over_seeds, paired_p, resample
from biasray.random import rng

BASELINE = "erm"
RESAMPLES = 1000

Row = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What one method predicted on the test split, by seed, and the groups it was trained on."""

    method: str
    setting: str
    target_N: Ints
    bias_N: Ints
    predicted_SN: Ints
    train_TB: NDArray[np.int64]
    seconds: float  # mean over seeds


def outcome(
    method: str, setting: str, predictions: Sequence[pd.DataFrame], train_TB: NDArray[np.int64], seconds: Sequence[float]
) -> Outcome:
    """From the predictions of each seed; they must be of the same test examples."""
    first = predictions[0]
    for other in predictions:
        assert first[["id", "target", "bias"]].equals(other[["id", "target", "bias"]]), "seeds were tested on other examples"
    predicted = np.stack([p["predicted"].to_numpy() for p in predictions])
    return Outcome(
        method, setting, first["target"].to_numpy(), first["bias"].to_numpy(), predicted, train_TB, float(np.mean(seconds))
    )


def rows(
    data: str, found: Sequence[Outcome], targets: Sequence[str], biases: Sequence[str], aligned: bool, against: str = BASELINE
) -> list[Row]:
    """All metrics of all methods, and their seed-paired differences from the method `against` where it is there."""
    baseline = next((t for t in found if t.method == against), None)
    out: list[Row] = []
    for t in found:
        out += _rows(data, t, [*_overall(t.train_TB.shape), *_by_group(targets, biases, aligned)], None)
        if baseline and t is not baseline:
            out += _rows(data, t, _overall(t.train_TB.shape), baseline)
    return corrected(out, "metric")


def corrected(found: list[Row], *by: str) -> list[Row]:
    """The rows, with the p of each difference corrected for the number of those that have the same in the columns `by`."""
    alike: dict[tuple[Any, ...], list[Row]] = {}
    for row in found:
        if "p" in row:
            alike.setdefault(tuple(row[name] for name in by), []).append(row)
    for same in alike.values():
        for row, p in zip(same, holm([row["p"] for row in same]), strict=True):
            row["p"] = p if p == p else None  # JSON has no NaN
    return found


class Figure(NamedTuple):
    metric: str
    group: str
    compute: Callable[[Counts], Floats]
    mask_TB: NDArray[np.bool_]  # groups that it reads


def _overall(shape: tuple[int, ...]) -> list[Figure]:
    return [Figure(name, "all", metric.compute, np.ones(shape, bool)) for name, metric in metrics.found().items()]


def _by_group(targets: Sequence[str], biases: Sequence[str], aligned: bool) -> list[Figure]:
    """Accuracy of each group, and of aligned and conflicting examples together where groups are either."""
    names = {f"{target}, {bias}": (t, b) for t, target in enumerate(targets) for b, bias in enumerate(biases)}
    masks = {}
    for name, place in names.items():
        masks[name] = np.zeros((len(targets), len(biases)), bool)
        masks[name][place] = True
    if aligned:
        masks["aligned"] = np.eye(len(targets), len(biases), dtype=bool)
        masks["conflicting"] = ~masks["aligned"]
    return [Figure("accuracy", name, partial(_accuracy_of, mask_TB=mask), mask) for name, mask in masks.items()]


def _accuracy_of(counts: Counts, mask_TB: NDArray[np.bool_]) -> Floats:
    with np.errstate(invalid="ignore"):
        return np.asarray(counts.correct[..., mask_TB].sum(-1) / counts.group[..., mask_TB].sum(-1))


def _rows(data: str, t: Outcome, figures: Sequence[Figure], against: Outcome | None) -> list[Row]:
    """Rows of these metrics, or of their differences from another method's with the same seeds."""
    biases = t.train_TB.shape[1]
    seeds = len(t.predicted_SN)
    stacked = t.predicted_SN if against is None else np.concatenate([t.predicted_SN, against.predicted_SN])
    exact = _counts(t, stacked)
    drawn = resample(t.target_N, t.bias_N, stacked, t.train_TB.shape[0], biases, rng("bootstrap"), RESAMPLES)
    drawn = Counts(drawn.predicted, t.train_TB)
    out: list[Row] = []
    for figure in figures:
        value_S, value_RS = figure.compute(exact), figure.compute(drawn)
        if against is not None:
            value_S, value_RS = value_S[:seeds] - value_S[seeds:], value_RS[:, :seeds] - value_RS[:, seeds:]
        if np.isnan(value_S).any():
            continue  # a group or weighting that the test split does not have
        row = {
            "data": data,
            "method": t.method,
            "setting": t.setting,
            "metric": figure.metric if against is None else f"{figure.metric} minus {against.method}",
            "group": figure.group,
            "value": float(value_S.mean()),
            "n": int(exact.group[0][figure.mask_TB].sum()),
            "seeds": seeds,
            "seconds": t.seconds,
        }
        for kind, interval in (("examples", over_examples(value_S.mean(), value_RS.mean(1))), ("seeds", over_seeds(value_S))):
            out.append({**row, "interval": kind, **bounds(interval, within=against is None)})
        if against is not None:
            out[-1]["p"] = paired_p(value_S)
    return out


def _counts(t: Outcome, stacked_SN: Ints) -> Counts:
    targets, biases = t.train_TB.shape
    each = [count(t.target_N, t.bias_N, p, targets, biases).predicted for p in stacked_SN]
    return Counts(np.stack(each), t.train_TB)


def bounds(interval: Interval, within: bool) -> dict[str, float | None]:
    """Low and high, `within` [0, 1] where the figure cannot leave it; None for a bound that one seed cannot give."""
    if not np.isfinite([interval.low, interval.high]).all():  # JSON has no infinity
        return {"low": None, "high": None}
    low, high = np.clip([interval.low, interval.high], 0, 1) if within else (interval.low, interval.high)
    return {"low": float(low), "high": float(high)}
