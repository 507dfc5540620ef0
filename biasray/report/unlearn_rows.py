"""From what networks and probes say to figures with intervals, by alpha. Axes: N test example, S seed, R resample."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biasray.bias.extreme import ALIKE, BALANCED, COMPLEMENT
from biasray.metrics.interval import holm, over_examples, over_seeds, paired_p
from biasray.random import rng
from biasray.report.results import Row, bounds

RESAMPLES, FEWEST = 1000, 100  # a set with fewer examples gives no figure
READERS = {"own head": "own head", "linear probe": "linear", "mlp probe": "mlp"}  # of the attribute: metric -> column
SHARES = {"accuracy", "accuracy, mean of bins", "within one bin", *READERS}  # in [0, 1]; the others are years
Floats = NDArray[np.float64]


def figures(table: pd.DataFrame, values: Sequence[str]) -> dict[str, Floats]:
    """(N,) by metric: what each example adds to it. The metric is their sum."""
    n, off_N = len(table), (table["predicted"] - table["target"]).abs()
    bin_N = n * table["target"].map(table["target"].value_counts(normalize=True)) * table["target"].nunique()
    each: dict[str, Floats] = {
        "accuracy": (off_N == 0) / n,
        "accuracy, mean of bins": (off_N == 0) / bin_N,
        "within one bin": (off_N <= 1) / n,
    }
    if table["years"].notna().all():
        each["error, years"] = (table["said years"] - table["years"]).abs() / n
        if len(values) == 2:
            share_2 = np.bincount(table["value"], minlength=2)
            if share_2.all():
                sign_N = np.where(table["value"] == 0, 1, -1) / share_2[table["value"]]
                each[f"{values[0]} over {values[1]}, years"] = table["said years"] * sign_N
    if (table["set"] == BALANCED).all():
        each |= {called: (table[said] == table["value"]) / n for called, said in READERS.items()}
    return {name: np.asarray(part, np.float64) for name, part in each.items()}


def rows(data: str, found: Mapping[str, Sequence[pd.DataFrame]], values: Sequence[str]) -> list[Row]:
    """Figures of each method, whose tables are one a seed, by set; and their seed-paired differences from the first method's.

    Each twice: with the interval over seeds, with p of a paired t test (Holm), and with that over examples, a bootstrap of
    each target and value that all seeds and methods share.
    """
    out: list[Row] = []
    first = next(iter(found))
    for part in (BALANCED, COMPLEMENT, ALIKE):
        tables = {method: [t[t["set"] == part].reset_index(drop=True) for t in seeds] for method, seeds in found.items()}
        some = tables[first][0]
        if len(some) < FEWEST:
            continue
        times_RN = _resampled(some["target"].to_numpy() * len(values) + some["value"].to_numpy())
        each = {method: [figures(t, values) for t in seeds] for method, seeds in tables.items()}
        for method, seeds in each.items():
            for metric in seeds[0]:
                mine_SN = np.stack([s[metric] for s in seeds])
                base = {"data": data, "method": method, "setting": part, "n": len(some), "seeds": len(seeds)}
                out += _both({**base, "metric": metric}, mine_SN, times_RN, metric in SHARES)
                if method != first:
                    change_SN = mine_SN - np.stack([s[metric] for s in each[first]])
                    both = _both({**base, "metric": f"{metric} minus {first}"}, change_SN, times_RN, False)
                    both[-1]["p"] = paired_p(change_SN.sum(1))
                    out += both
    return _corrected(out)


def _resampled(stratum_N: NDArray[np.int64]) -> Floats:
    """(R, N) how often a bootstrap draws each example, with as many of each stratum as there are."""
    times_RN, drawn = np.zeros((RESAMPLES, len(stratum_N))), rng("bootstrap")
    for stratum in np.unique(stratum_N):
        here = np.flatnonzero(stratum_N == stratum)
        times_RN[:, here] = drawn.multinomial(len(here), np.full(len(here), 1 / len(here)), RESAMPLES)
    return times_RN


def _both(row: Row, value_SN: Floats, times_RN: Floats, within: bool) -> list[Row]:
    value_S, value_R = value_SN.sum(1), times_RN @ value_SN.mean(0)
    row = {**row, "group": "all", "value": float(value_S.mean())}
    intervals = (("examples", over_examples(row["value"], value_R)), ("seeds", over_seeds(value_S)))
    return [{**row, "interval": kind, **bounds(interval, within)} for kind, interval in intervals]


def _corrected(found: list[Row]) -> list[Row]:
    """With the p of each difference corrected for the number of methods that are compared by its metric in its set."""
    for place in {(r["metric"], r["setting"]) for r in found if "p" in r}:
        same = [r for r in found if "p" in r and (r["metric"], r["setting"]) == place]
        for row, p in zip(same, holm([r["p"] for r in same]), strict=True):
            row["p"] = p if p == p else None
    return found


def called_out(found: Sequence[Row], methods: Sequence[str], chance: float) -> list[str]:
    """A sentence for each of these methods whose own head surely fails by more than a fresh probe does: it hides what it has
    not unlearnt."""
    out = []
    mine = {(r["method"], r["metric"]): r for r in found if r["setting"] == BALANCED and r["interval"] == "examples"}
    for method in methods:
        own = mine[method, "own head"]
        best = max((mine[method, f"{kind} probe"] for kind in ("linear", "mlp")), key=lambda r: float(r["value"]))
        if best["low"] > max(own["high"], chance):
            out.append(
                f"{method}: its own head is right on {100 * own['value']:.0f} %, but a fresh {best['metric']} on "
                f"{100 * best['value']:.0f} % ({100 * best['low']:.0f} to {100 * best['high']:.0f}): it is still there."
            )
    return out


def text(found: Sequence[Row]) -> str:
    """The headline as a table."""
    mine = [r for r in found if r["interval"] == "seeds" and " minus " not in r["metric"]]
    lines = [{"method": r["method"], "set": r["setting"], "metric": r["metric"], "said": spelt(r)} for r in mine]
    table = pd.DataFrame(lines).pivot_table("said", ["set", "method"], "metric", aggfunc="first", sort=False)
    return str(table[list(dict.fromkeys(r["metric"] for r in mine))].fillna("").to_string())


def spelt(row: Row) -> str:
    scale, places = (100, 1) if row["metric"].split(" minus ")[0] in SHARES else (1, 2)
    value = f"{scale * row['value']:.{places}f}"
    return value if row["low"] is None else f"{value} ({scale * row['low']:.{places}f} to {scale * row['high']:.{places}f})"
