"""Trainings on hidden regions beside the original and a balanced set, as figures with intervals (table 1 of De Coninck et al.).

Axes: N test example, S seed, R resample, T target.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biasray.metrics.interval import over_examples, over_seeds, paired_p
from biasray.random import rng
from biasray.report.results import Row, bounds, corrected

ORIGINAL, BALANCED = "original", "balanced"
GAP = "gap"
RESAMPLES = 1000
Floats = NDArray[np.float64]


def rows(data: str, found: Mapping[tuple[str, str], Sequence[pd.DataFrame]], targets: Sequence[str]) -> list[Row]:
    """Accuracy, that of each target, and the gap between targets, of each (method, set to learn from), whose predictions are
    one table a seed; and the difference of each from the same method's original, paired by seed.

    The test set has as many examples of each target with the confounder as without. Intervals over examples are a bootstrap by
    target and confounder that all seeds share.
    """
    out: list[Row] = []
    some = next(iter(found.values()))[0]
    times_RN = _resampled(some)
    for (method, setting), seeds in found.items():
        base = {"data": data, "method": method, "setting": setting, "n": len(some), "seeds": len(seeds)}
        mine, first = _figures(seeds, times_RN, targets), _figures(found[method, ORIGINAL], times_RN, targets)
        for metric, (value_S, value_RS) in mine.items():
            out += _both({**base, "metric": metric}, value_S, value_RS, within=True)
            if setting != ORIGINAL:
                before_S, before_RS = first[metric]
                called = {**base, "metric": f"{metric} minus {ORIGINAL}"}
                both = _both(called, value_S - before_S, value_RS - before_RS, within=False)
                both[-1]["p"] = paired_p(value_S - before_S)
                out += both
    return corrected(out, "metric")


def closed(rows: Sequence[Row], method: str, setting: str) -> float:
    """Share of the original's gap that is gone."""
    gap = {r["setting"]: r["value"] for r in rows if r["method"] == method and r["metric"] == GAP}
    return float(1 - gap[setting] / gap[ORIGINAL])


def _figures(seeds: Sequence[pd.DataFrame], times_RN: Floats, targets: Sequence[str]) -> dict[str, tuple[Floats, Floats]]:
    """(S,) and (R, S) by metric."""
    right_NS = np.stack([(t["predicted"] == t["target"]).to_numpy(np.float64) for t in seeds], 1)
    target_N = seeds[0]["target"].to_numpy()
    exact_TS, drawn_TRS = [], []
    for t in range(len(targets)):
        here_N = target_N == t
        exact_TS.append(right_NS[here_N].mean(0))
        drawn_TRS.append(times_RN[:, here_N] @ right_NS[here_N] / here_N.sum())
    exact, drawn = np.stack(exact_TS), np.stack(drawn_TRS)
    out = {"accuracy": (exact.mean(0), drawn.mean(0))}
    out |= {f"accuracy, {name}": (exact[t], drawn[t]) for t, name in enumerate(targets)}
    out[GAP] = (np.ptp(exact, axis=0), np.ptp(drawn, axis=0))
    return out


def _resampled(table: pd.DataFrame) -> Floats:
    """(R, N) how often a bootstrap draws each example, with as many of each target and confounder as there are."""
    times_RN, drawn = np.zeros((RESAMPLES, len(table))), rng("bootstrap")
    for _, here in table.groupby(["target", "bias"]).indices.items():
        times_RN[:, here] = drawn.multinomial(len(here), np.full(len(here), 1 / len(here)), RESAMPLES)
    return times_RN


def _both(row: Row, value_S: Floats, value_RS: Floats, within: bool) -> list[Row]:
    row = {**row, "group": "all", "value": float(value_S.mean())}
    intervals = (("examples", over_examples(row["value"], value_RS.mean(1))), ("seeds", over_seeds(value_S)))
    return [{**row, "interval": kind, **bounds(interval, within)} for kind, interval in intervals]
