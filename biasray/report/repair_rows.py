"""Figures of ways of repair: rows of results.json, and a table for the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from biasray.metrics.interval import holm, paired_p
from biasray.report.results import Row
from biasray.weights.repair import WAYS

Found = Mapping[str, Any]  # what `zoo.repairing.repaired` says of a way
METRICS = {"accuracy": (100, 1), "colour score": (1, 3)}  # scale and places of each figure as it is shown
KINDS = ("change", "beyond control")
SURE = 0.05


def rows(data: str, found: Mapping[str, Found]) -> list[Row]:
    """Each figure's change, and how much of it goes beyond the control's, with an interval over members and one over digits.

    The row over members has p, of a paired t test that nothing is changed, corrected for the number of ways (Holm).
    """
    out = list[Row]()
    for kind in KINDS:
        for metric in METRICS:
            mine = {way: one[kind][metric] for way, one in found.items() if metric in one.get(kind, {})}
            p_W = holm([paired_p(np.array(e["by member"])) for e in mine.values()])
            for (way, e), p in zip(mine.items(), p_W, strict=True):
                row = {
                    "data": data, "method": way, "setting": setting(way, found[way]), "metric": f"{metric}, {kind}",
                    "group": "all", "value": e["change"], "before": e["before"], "counted": e["counted"], "seeds": 1,
                    "seconds": found[way]["seconds"],
                }  # fmt: skip
                out.append({**row, "interval": "members", **e["members"], "p": p if p == p else None})
                out.append({**row, "interval": "digits", **e["digits"]})
    return out


def setting(way: str, one: Found) -> str:
    """The setting that was chosen, where there was a choice."""
    if len(one["tried"]) == 1:
        return ""
    steps = f", {one['steps']} step{'s' * (one['steps'] != 1)}" if len(WAYS[way].stops) > 1 else ""
    return f"{WAYS[way].size} {one['size']:g}{steps}"


def pair(found: Sequence[Row], way: str, metric: str, kind: str) -> tuple[Row, Row] | None:
    """The rows over members and over digits, where there are such."""
    mine = {r["interval"]: r for r in found if (r["method"], r["metric"]) == (way, f"{metric}, {kind}")}
    return (mine["members"], mine["digits"]) if mine else None


def better(found: Sequence[Row], way: str, metric: str, kind: str) -> bool:
    """Whether it is surely better: both intervals above zero and p below 0.05, and accuracy not surely worse.

    A network that says the same of every image has the highest colour score there is.
    """
    both = pair(found, way, metric, kind)
    accuracy = pair(found, way, "accuracy", "change")
    if not both or not accuracy or any(r["low"] is None or r["low"] <= 0 for r in both):
        return False
    worse = all(r["high"] is not None and r["high"] < 0 for r in accuracy)
    return (both[0]["p"] is None or both[0]["p"] < SURE) and not worse


def text(found: Sequence[Row]) -> str:
    lines = []
    for way in dict.fromkeys(r["method"] for r in found):
        line = {"way": way, "": "learns from digits" if WAYS[way].learns else ""}
        line["setting"] = next(r["setting"] for r in found if r["method"] == way)
        for kind in KINDS:
            for metric, (scale, places) in METRICS.items():
                both = pair(found, way, metric, kind)
                line[f"{metric}, {kind}"] = spelt(both[0], scale, places) if both else ""
        lines.append(line)
    return f"{pd.DataFrame(lines).to_string(index=False)}\nMean over members, 95 % interval over members; accuracy in points."


def spelt(row: Row, scale: float, places: int) -> str:
    if row["low"] is None:
        return f"{scale * row['value']:+.{places}f}"
    return f"{scale * row['value']:+.{places}f} ({scale * row['low']:.{places}f} to {scale * row['high']:.{places}f})"
