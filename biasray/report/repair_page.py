"""One self-contained page about where the bias of a zoo's models sits, and what ways of repair do to them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from biasray.metrics.interval import proportion
from biasray.report import repair_plots
from biasray.report.repair_rows import METRICS, Found, better, pair, setting
from biasray.report.results import Row
from biasray.weights.repair import WAYS

WHAT = {
    "reset-layer": "draws the layer where most of the bias was found anew",
    "reset-units": "draws those of its units anew that the detector's gradient is largest at",
    "dropout": "lets the networks' own dropout go on when they predict",
    "fgsm": "steps against the sign of the detector's gradient towards the least biased level",
    "gradient": "steps against that gradient, divided by its largest value in a model",
    "gradient-digits": "adds the gradient of the model's own loss on digits in colours of any kind",
    "fine-tune": "trains the layer where most of the bias was found on such digits",
}


def render(
    found: Mapping[str, Found],
    rows: Sequence[Row],
    where: Mapping[str, Any] | None,
    index: pd.DataFrame,
    detector: str,
    zoo: str,
    about: Mapping[str, Any],
) -> str:
    """HTML; `found` by way of repair and `where` are what `zoo.repairing` says, `rows` what `repair_rows` makes of them.

    `detector` names it and what it learnt from, `zoo` is the checksum of the zoo's manifest.
    """
    named = index.drop_duplicates("level").sort_values("level")
    names = dict(zip(named["level"], named["bias"], strict=True))
    best = max(found, key=lambda way: found[way]["accuracy"])  # on the digits to choose by
    n = len(next(iter(found.values()))["members"])
    page = Environment(loader=PackageLoader("biasray.report", "."), undefined=StrictUndefined, autoescape=True)
    near, far = repair_plots.near(rows)
    return page.get_template("repair.html.j2").render(
        title="Bias in weights, and its repair",
        lead=f"{n} models of {len(names)} levels of bias ({', '.join(names.values())}), {index['network'].iloc[0]}.",
        what={way: said for way, said in WHAT.items() if any(name.startswith(way) for name in found)},
        lines=[_line(way, one, rows) for way, one in found.items()],
        trade=Markup(repair_plots.trade(rows, near)),
        far=", ".join(far),
        best=best,
        members=Markup(repair_plots.members(found[best], names)),
        digits={r["metric"].split(",")[0]: f"{r['n']:,}" for r in rows if r["interval"] == "digits"},
        where=_where(where, index, len(names)) if where else None,
        detector=detector,
        zoo=zoo,
        about=about,
    )


def _where(where: Mapping[str, Any], index: pd.DataFrame, levels: int) -> dict[str, Any]:
    def share(right: int) -> str:
        interval = proportion(right, where["n"])
        return f"{100 * right / where['n']:.0f} % ({100 * interval.low:.0f} to {100 * interval.high:.0f})"

    return {
        "found": where["found"],
        "why": "whose exchange among members costs it the most accuracy"
        if where["sure"]
        else "which moves it most; the exchange of no layer surely costs it accuracy",
        "read": share(where["right"]),
        "shuffled": share(where["right_shuffled"]),
        "chance": f"{100 / levels:.0f}",
        "layers": Markup(repair_plots.layers(where)),
        "filters": Markup(repair_plots.filters(where)),
        "agreed": f"{(2 / np.pi / where['n']) ** 0.5:.2f}",
        "shared": len(set(index["init"])) == 1,
    }


def _line(way: str, one: Found, rows: Sequence[Row]) -> dict[str, Any]:
    cells = [_cell(rows, way, metric, kind) for metric in METRICS for kind in ("change", "beyond control")]
    read = [f"{np.mean([m[f'read_{when}'] for m in one['members']]):.1f}" for when in ("before", "after")]
    return {
        "way": way,
        "learns": WAYS[way].learns,
        "setting": setting(way, one),
        "cells": cells,
        "read": read,
        "seconds": f"{one['seconds']:.0f}",
    }


def _cell(rows: Sequence[Row], way: str, metric: str, kind: str) -> dict[str, Any] | None:
    both, (scale, places) = pair(rows, way, metric, kind), METRICS[metric]
    if not both:
        return None

    def span(row: Row) -> str:
        if row["low"] is None:
            return f"{row['interval']} ?"
        return f"{row['interval']} {scale * row['low']:.{places}f} to {scale * row['high']:.{places}f}"

    return {
        "value": f"{scale * both[0]['value']:+.{places}f}",
        "spans": [span(row) for row in both],
        "before": f"{scale * both[0]['before']:.{places}f}",
        "better": better(rows, way, metric, kind),
    }
