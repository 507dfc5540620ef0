"""Figures of ways of repair: rows of results.json, and a table for the terminal."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from biasray.report.results import Row
from biasray.weights.repair import WAYS

Found = Mapping[str, Any]  # what `zoo.repairing.repaired` says of a way
METRICS = ("unbiased accuracy", "colour score")


def rows(data: str, found: Mapping[str, Found]) -> list[Row]:
    """The rows of results.json: each figure's change, with an interval over members and one over digits."""
    return [
        {
            "data": data, "method": way, "setting": setting(one), "metric": f"change of {effect['metric']}", "group": "all",
            "value": effect["change"], "before": effect["before"], "low": effect["low"], "high": effect["high"],
            "interval": effect["interval"], "n": effect["n"], "seeds": 1, "seconds": one["seconds"],
        }
        for way, one in found.items()
        for effect in one["effects"]
    ]  # fmt: skip


def setting(one: Found) -> str:
    """The setting that was chosen, where there was a choice."""
    if len(one["tried"]) == 1:
        return ""
    steps = f"{one['steps']} step{'s' * (one['steps'] != 1)}"
    return f"size {one['size']:g}" + (f", {steps}" if len({t["steps"] for t in one["tried"]}) > 1 else "")


def effect(one: Found, metric: str) -> dict[str, Any]:
    """Of a figure: its mean before, its change, and the interval over members and over digits."""
    mine = {e["interval"]: e for e in one["effects"] if e["metric"] == metric}
    return {**mine["members"], "digits": mine["digits"]}


def clear(one: Found, metric: str) -> bool:
    """Whether it is better, with both intervals above zero."""
    found = effect(one, metric)
    return min(found["low"], found["digits"]["low"]) > 0


def text(found: Mapping[str, Found]) -> str:
    lines = []
    for way, one in found.items():
        line = {"way": way, "": WAYS[way].kind, "setting": setting(one)}
        for metric, unit, scale in zip(METRICS, (", points", ""), (100, 1), strict=True):
            e, digits = effect(one, metric), 1 if scale == 100 else 3
            line[f"{metric}{unit}"] = (
                f"{scale * e['change']:+.{digits}f} ({scale * e['low']:.{digits}f} to {scale * e['high']:.{digits}f})"
            )
        lines.append(line)
    return f"{pd.DataFrame(lines).to_string(index=False)}\nMean change with its 95 % interval over members."
