"""What adaptations gain over the model that they start from. Axes: N test image, S seed, R resample, T target."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biasray.metrics.interval import over_examples, over_seeds, paired_p, times_drawn
from biasray.random import rng
from biasray.report.results import Row, bounds, corrected

START = "start"
ACCURACY, RATIO = "accuracy", "accuracy ratio"
GAIN = " minus start"
RESAMPLES = 1000
Floats = NDArray[np.float64]


def rows(data: str, found: Mapping[tuple[str, str], Sequence[pd.DataFrame]], targets: Sequence[str]) -> list[Row]:
    """Accuracy, that of each target, and the lowest over the highest: of each (pool, method), which has a table a seed, of the
    models that it starts from, and the differences, paired by seed, with p corrected for all pools and methods (Holm).

    Intervals over images are a bootstrap by target that all share.
    """
    out: list[Row] = []
    some = next(iter(found.values()))
    times_RN, base = times_drawn(some[0]["target"].to_numpy(), rng("bootstrap"), RESAMPLES), {"data": data, "n": len(some[0])}
    start = _figures(some, "started", times_RN, targets)
    for metric, (value_S, value_RS) in start.items():
        out += _both({**base, "pool": "", "method": START, "metric": metric}, value_S, value_RS, True)
    for (pool, method), seeds in found.items():
        before = _figures(seeds, "started", times_RN, targets)
        for metric, (value_S, value_RS) in _figures(seeds, "predicted", times_RN, targets).items():
            row = {**base, "pool": pool, "method": method, "metric": metric}
            out += _both(row, value_S, value_RS, True)
            start_S, start_RS = before[metric]
            gain = _both({**row, "metric": metric + GAIN}, value_S - start_S, value_RS - start_RS, False)
            gain[-1]["p"] = paired_p(value_S - start_S)
            out += gain
    return corrected(out, "metric")


def at(found: Sequence[Row], pool: str, method: str, metric: str, interval: str) -> Row:
    """One figure."""
    key = (pool, method, metric, interval)
    return next(r for r in found if (r["pool"], r["method"], r["metric"], r["interval"]) == key)


def _figures(
    seeds: Sequence[pd.DataFrame], said: str, times_RN: Floats, targets: Sequence[str]
) -> dict[str, tuple[Floats, Floats]]:
    """(S,) and (R, S) by metric."""
    right_NS = np.stack([(table[said] == table["target"]).to_numpy(np.float64) for table in seeds], 1)
    target_N = seeds[0]["target"].to_numpy()
    out = {ACCURACY: (right_NS.mean(0), times_RN @ right_NS / len(right_NS))}
    exact_TS, drawn_TRS = [], []
    for t, name in enumerate(targets):
        here_N = target_N == t
        exact_TS.append(right_NS[here_N].mean(0))
        drawn_TRS.append(times_RN[:, here_N] @ right_NS[here_N] / here_N.sum())
        out[f"{ACCURACY}, {name}"] = exact_TS[-1], drawn_TRS[-1]
    return out | {RATIO: (_ratio(np.stack(exact_TS)), _ratio(np.stack(drawn_TRS)))}


def _ratio(share: Floats) -> Floats:
    """The lowest over the highest of the first axis: 0 where nothing is right."""
    highest = share.max(0)
    return np.asarray(share.min(0) / np.where(highest > 0, highest, 1))


def _both(row: Row, value_S: Floats, value_RS: Floats, within: bool) -> list[Row]:
    row = {**row, "group": "all", "seeds": len(value_S), "value": float(value_S.mean())}
    intervals = (("images", over_examples(row["value"], value_RS.mean(1))), ("seeds", over_seeds(value_S)))
    return [{**row, "interval": kind, **bounds(interval, within)} for kind, interval in intervals]
