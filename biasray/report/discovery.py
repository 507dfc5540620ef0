"""Rows about networks that are to learn the bias: how well they tell aligned from conflicting training examples.

A figure is the mean over seeds, at the end of the network's training; bias accuracy also after its second epoch, where the
Poisoner paper stops its plain baselines. The interval over examples is Jeffreys': error rates are drawn from
Beta(wrong + 1/2, right + 1/2), which a bootstrap cannot match where all or none is wrong. The one over seeds is Student's t.
Axes: R draw, S seed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biasray.metrics.exposure import SIDES, TITLES, figures
from biasray.metrics.interval import Interval, over_seeds, percentile
from biasray.random import rng
from biasray.report.results import RESAMPLES, Row, bounds

PRECISION = "precision of what is found"
EARLY = 2  # epochs after which the paper stops ERM and GCE
History = Sequence[Mapping[str, Any]]


def networks(history: History) -> list[str]:
    """Names of the networks that were to learn the bias."""
    return list(dict.fromkeys(name for epoch in history for name in epoch.get("exposed", {})))


def curves(history: History, network: str, train_TB: NDArray[np.int64]) -> dict[str, list[float]]:
    """By epoch of a network that is to learn the bias: its error rate on either side, and the precision of what it finds
    conflicting in a table of these groups; NaN for a side without examples, and where nothing was found."""
    each = [epoch["exposed"][network] for epoch in history if network in epoch.get("exposed", {})]
    rate = {side: np.array([_rate(e[side]) for e in each]) for side in SIDES}
    precision = figures(rate, _sizes(train_TB))["conflicting_precision"]
    return {**{f"error rate, {side}": rate[side].tolist() for side in SIDES}, PRECISION: precision.tolist()}


def losses(history: History) -> dict[str, list[float]]:
    """The method's own mean loss on either side by epoch of its last stage."""
    each = [epoch["training"] for epoch in history if "training" in epoch and epoch["stage"] == history[-1]["stage"]]
    return {side: [_rate(e[side], "loss") for e in each] for side in SIDES}


def rows(fields: Mapping[str, Any], histories: Sequence[History], train_TB: NDArray[np.int64]) -> list[Row]:
    """Rows of one method from its histories by seed; `fields` are what all its rows share: data, method, setting, seconds.

    `train_TB` are the sizes of the groups that it was trained on, bias value k going with target k.
    """
    table = _sizes(train_TB)
    out: list[Row] = []
    for network in networks(histories[0]):
        judged = [[e["exposed"][network] for e in history if network in e.get("exposed", {})] for history in histories]
        out += _rows(fields, network, [epochs[-1] for epochs in judged], table)
        if min(map(len, judged)) > EARLY:
            early = _rows(fields, network, [epochs[EARLY - 1] for epochs in judged], table)
            out += [
                {**row, "metric": f"bias_accuracy after epoch {EARLY}"} for row in early if row["metric"] == "bias_accuracy"
            ]
    return out


def _sizes(train_TB: NDArray[np.int64]) -> dict[str, int]:
    """Training examples of either side."""
    n_aligned = int(np.trace(train_TB))
    return {"aligned": n_aligned, "conflicting": int(train_TB.sum()) - n_aligned}


def _rows(fields: Mapping[str, Any], network: str, sides: Sequence[Any], table: Mapping[str, int]) -> list[Row]:
    n = {side: np.array([s[side]["n"] for s in sides]) for side in SIDES}
    if any((n_S == 0).any() for n_S in n.values()):
        return []
    rate = {side: np.array([_rate(s[side]) for s in sides]) for side in SIDES}
    drawn = rng("exposure")
    likely = {s: drawn.beta(n[s] * rate[s] + 0.5, n[s] * (1 - rate[s]) + 0.5, (RESAMPLES, len(sides))) for s in SIDES}
    found, found_R = figures(rate, table), figures(likely, table)
    out = []
    for metric in TITLES:
        value_S = found[metric]
        if np.isnan(value_S).any():
            continue  # nothing was found that could be right or wrong
        row = {**fields, "metric": metric, "group": network, "value": float(value_S.mean())}
        row |= {"n": int(sum(n_S[0] for n_S in n.values())), "seeds": len(sides)}
        middle = percentile(found_R[metric].mean(1))
        over_examples = Interval(min(middle.low, row["value"]), max(middle.high, row["value"]))
        for kind, interval in (("examples", over_examples), ("seeds", over_seeds(value_S))):
            out.append({**row, "interval": kind, **bounds(interval, within=True)})
    return out


def _rate(side: Mapping[str, float], what: str = "wrong") -> float:
    return side[what] / side["n"] if side["n"] else float("nan")
