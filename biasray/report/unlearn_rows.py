"""From what networks and probes say to figures with intervals, by alpha. Axes: N test example, S seed, R resample."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biasray.bias.extreme import BALANCED, COMPLEMENT, FEWEST
from biasray.metrics.interval import over_examples, over_seeds, paired_p, times_drawn
from biasray.random import rng
from biasray.report.results import Row, bounds, corrected

RESAMPLES = 1000
SLOPE = "years said a year"  # within each value of the attribute; 1 of ages that are known, 0 where all are said to be alike
READERS = {"own head": "own head", "linear probe": "linear", "mlp probe": "mlp"}  # of the attribute: metric -> column
SHARES = {"accuracy", "accuracy, mean of bins", "within one bin", *READERS}  # in [0, 1]; the others are years
Floats = NDArray[np.float64]


def figures(table: pd.DataFrame, values: Sequence[str]) -> dict[str, Floats]:
    """(N,) by metric: what each example adds to it. The metric is their sum."""
    n, right_N = len(table), table["predicted"] == table["target"]
    bin_N = n * table["target"].map(table["target"].value_counts(normalize=True)) * table["target"].nunique()
    each: dict[str, Floats] = {"accuracy": right_N / n, "accuracy, mean of bins": right_N / bin_N}
    if table["years"].notna().all():
        each["within one bin"] = (table["bins off"] <= 1) / n
        error_N, by_value = table["said years"] - table["years"], table.groupby("value")["years"]
        each["error, years"] = error_N.abs() / n
        beyond_N = table["years"] - by_value.transform("mean")
        if (spread := float((beyond_N**2).sum())) > 0:
            each[SLOPE] = table["said years"] * beyond_N / spread
        if len(values) == 2 and table["value"].nunique() == 2:
            sign_N = np.where(table["value"] == 0, 1, -1)
            each[f"{values[0]} over {values[1]}, years"] = error_N * sign_N / by_value.transform("size")
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
    for part in (BALANCED, COMPLEMENT):
        tables = {method: [t[t["set"] == part].reset_index(drop=True) for t in seeds] for method, seeds in found.items()}
        some = tables[first][0]
        if len(some) < FEWEST:
            continue
        times_RN = times_drawn(some["target"].to_numpy() * len(values) + some["value"].to_numpy(), rng("bootstrap"), RESAMPLES)
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
    return corrected(out, "metric", "setting")


def _both(row: Row, value_SN: Floats, times_RN: Floats, within: bool) -> list[Row]:
    value_S, value_R = value_SN.sum(1), times_RN @ value_SN.mean(0)
    row = {**row, "group": "all", "value": float(value_S.mean())}
    intervals = (("examples", over_examples(row["value"], value_R)), ("seeds", over_seeds(value_S)))
    return [{**row, "interval": kind, **bounds(interval, within)} for kind, interval in intervals]


def called_out(found: Sequence[Row], methods: Sequence[str], chance: float) -> list[str]:
    """Sentences for those of these methods that only seem to have unlearnt: whose own head surely fails by more than a fresh
    probe does, or who tell the target by surely less than half of what the first method tells."""
    out = []
    mine = {(r["method"], r["metric"]): r for r in found if r["setting"] == BALANCED and r["interval"] == "examples"}
    first = found[0]["method"]
    for method in methods:
        own = mine[method, "own head"]
        best = max((mine[method, f"{kind} probe"] for kind in ("linear", "mlp")), key=lambda r: float(r["value"]))
        if best["low"] > max(own["high"], chance):
            out.append(
                f"{method} hides more than it unlearnt: its own head is right on {100 * own['value']:.0f} %, a fresh "
                f"{best['metric']} on {100 * best['value']:.0f} % ({100 * best['low']:.0f} to {100 * best['high']:.0f})."
            )
        if (method, SLOPE) in mine and mine[method, SLOPE]["high"] < mine[first, SLOPE]["value"] / 2:
            out.append(
                f"{method} has unlearnt the target too: it says {mine[method, SLOPE]['value']:.2f} years for each year of age, "
                f"{first} {mine[first, SLOPE]['value']:.2f}, so differences between groups shrink with all others."
            )
    return out


def text(found: Sequence[Row]) -> str:
    """The headline as a table."""
    mine = [r for r in found if r["interval"] == "seeds" and " minus " not in r["metric"]]
    lines = [{"method": r["method"], "set": r["setting"], "metric": r["metric"], "said": spelt(r)} for r in mine]
    table = pd.DataFrame(lines).pivot_table("said", ["set", "method"], "metric", aggfunc="first", sort=False)
    return str(table[list(dict.fromkeys(r["metric"] for r in mine))].fillna("").to_string())


def spelt(row: Row) -> str:
    scale, places = _units(row)
    return f"{scale * row['value']:.{places}f}" + (f" ({span(row)})" if row["low"] is not None else "")


def span(row: Row) -> str:
    """The interval alone."""
    scale, places = _units(row)
    return f"{scale * row['low']:.{places}f} to {scale * row['high']:.{places}f}"


def _units(row: Row) -> tuple[int, int]:
    """What a figure is multiplied by, and its decimals: shares in per cent, or years."""
    return (100, 1) if row["metric"].split(" minus ")[0] in SHARES else (1, 2)
