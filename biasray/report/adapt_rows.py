"""What adaptations gain over the models that they start from. Axes: N test image, S seed, R resample, T target."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biasray.metrics.interval import over_examples, over_seeds, paired_p, times_drawn
from biasray.metrics.ratio import lowest_over_highest
from biasray.random import rng
from biasray.report.results import Row, bounds, corrected

START, CHOSEN, ORACLE = "start", "chosen", "oracle"
ACCURACY, MEAN, RATIO = "accuracy", "mean of classes' accuracies", "accuracy ratio"
GAIN = " minus start"
RESAMPLES = 1000
Floats = NDArray[np.float64]


class Key(NamedTuple):
    """Which adaptations are seeds of one another."""

    start: str  # what the start models learnt from
    pool: str
    method: str


def rows(data: str, found: Mapping[Key, Sequence[pd.DataFrame]], targets: Sequence[str]) -> list[Row]:
    """Accuracy, that of each target, their mean, and the lowest over the highest: of each key, which has a table a seed, of the
    models that it starts from, and the differences, paired by seed, with p corrected for all keys (Holm).

    Intervals over images are a bootstrap by target that all share.
    """
    out: list[Row] = []
    some = next(iter(found.values()))
    times_RN, base = times_drawn(some[0]["target"].to_numpy(), rng("bootstrap"), RESAMPLES), {"data": data, "n": len(some[0])}
    for level in dict.fromkeys(key.start for key in found):
        seeds = next(tables for key, tables in found.items() if key.start == level)
        for metric, (value_S, value_RS) in _figures(seeds, "started", times_RN, targets).items():
            row = {**base, "start": level, "pool": "", "method": START, "metric": metric}
            out += _both(row, value_S, value_RS, True)
    for key, seeds in found.items():
        before = _figures(seeds, "started", times_RN, targets)
        for metric, (value_S, value_RS) in _figures(seeds, "predicted", times_RN, targets).items():
            row = {**base, **key._asdict(), "metric": metric}
            out += _both(row, value_S, value_RS, True)
            start_S, start_RS = before[metric]
            gain = _both({**row, "metric": metric + GAIN}, value_S - start_S, value_RS - start_RS, False)
            if key.method != ORACLE:  # which was chosen by what it is tested on
                gain[-1]["p"] = paired_p(value_S - start_S)
            out += gain
    return corrected(out, "metric")


def picked(
    found: Mapping[Key, Sequence[pd.DataFrame]], choice: Mapping[Key, Sequence[tuple[float, float]]]
) -> dict[Key, list[pd.DataFrame]]:
    """What CHOSEN and ORACLE say: for each start and pool, and in each seed, what the way to adapt says that tells its worst
    class best, or the start model as it is.

    CHOSEN goes by `choice`, the accuracy of the worst class of the start model's own validation images, with each way of those
    it may choose from and with the start model; ORACLE by the test images, which nobody has: what choosing could gain at most.
    """
    out = dict[Key, list[pd.DataFrame]]()
    for start, pool in dict.fromkeys((key.start, key.pool) for key in choice):
        ways = [key for key in choice if (key.start, key.pool) == (start, pool)]
        for seed in range(len(found[ways[0]])):
            here = [found[key][seed] for key in ways]
            said = [here[0]["started"], *(table["predicted"] for table in here)]
            known = [choice[ways[0]][seed][1], *(choice[key][seed][0] for key in ways)]
            seen = [_worst(of, here[0]["target"]) for of in said]
            for name, by in ((CHOSEN, known), (ORACLE, seen)):
                table = here[0].assign(predicted=said[int(np.argmax(by))])
                out.setdefault(Key(start, pool, name), []).append(table)
    return out


def at(found: Sequence[Row], key: Key, metric: str, interval: str) -> Row:
    """One figure."""
    asked = (*key, metric, interval)
    return next(r for r in found if (r["start"], r["pool"], r["method"], r["metric"], r["interval"]) == asked)


def _worst(said_N: pd.Series, target_N: pd.Series) -> float:
    return float((said_N == target_N).groupby(target_N).mean().min())


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
    both = np.stack(exact_TS), np.stack(drawn_TRS)
    return out | {
        MEAN: (both[0].mean(0), both[1].mean(0)),
        RATIO: (lowest_over_highest(both[0], 0), lowest_over_highest(both[1], 0)),
    }


def _both(row: Row, value_S: Floats, value_RS: Floats, within: bool) -> list[Row]:
    row = {**row, "group": "all", "seeds": len(value_S), "value": float(value_S.mean())}
    intervals = (("images", over_examples(row["value"], value_RS.mean(1))), ("seeds", over_seeds(value_S)))
    return [{**row, "interval": kind, **bounds(interval, within)} for kind, interval in intervals]
