"""One self-contained page about where the bias of a zoo's models sits, and what ways of repair do to them."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from biasray.metrics.interval import proportion
from biasray.report import repair_plots
from biasray.report.repair_rows import METRICS, Found, clear, effect, setting
from biasray.weights.repair import CONTROL, WAYS


def render(
    found: Mapping[str, Found],
    where: Mapping[str, Any],
    index: pd.DataFrame,
    detector: str,
    others: int,
    zoo: str,
    about: Mapping[str, Any],
) -> str:
    """HTML; `found` by way of repair and `where` are what `zoo.repairing` says, `zoo` the checksum of the zoo's manifest.

    The detector learnt from so many `others`.
    """
    named = index.drop_duplicates("level").sort_values("level")
    names = dict(zip(named["level"], named["bias"], strict=True))
    tried = [way for way in found if CONTROL not in WAYS[way].kind] or list(found)
    best = max(tried, key=lambda way: effect(found[way], METRICS[0])["change"])
    page = Environment(loader=PackageLoader("biasray.report", "."), undefined=StrictUndefined, autoescape=True)
    one = next(iter(found.values()))
    digits = {e["metric"]: e["digits"]["n"] for e in (effect(one, metric) for metric in METRICS)}
    return page.get_template("repair.html.j2").render(
        title="Bias in weights, and its repair",
        lead=f"{where['n']} models of {len(names)} levels of bias ({', '.join(names.values())}), {index['network'].iloc[0]}.",
        where=where,
        detector=detector,
        others=others,
        read=_share(where["right"], where["n"]),
        moved=_share(where["right, units in another order"], where["n"]),
        chance=f"{100 / len(names):.0f}",
        layers=Markup(repair_plots.layers(where)),
        units=Markup(repair_plots.units(where)),
        shared=len(set(index["init"])) == 1,
        rows=[_row(way, one) for way, one in found.items()],
        trade=Markup(repair_plots.trade(found)),
        best=best,
        members=Markup(repair_plots.members(found[best], names)),
        digits=digits,
        zoo=zoo,
        about=about,
    )


def _share(right: int, n: int) -> str:
    interval = proportion(right, n)
    return f"{100 * right / n:.0f} % ({100 * interval.low:.0f} to {100 * interval.high:.0f})"


def _row(way: str, one: Found) -> dict[str, Any]:
    row: dict[str, Any] = {"way": way, "kind": WAYS[way].kind, "setting": setting(one), "seconds": f"{one['seconds']:.0f}"}
    cells = []
    for metric, scale, places in zip(METRICS, (100, 1), (1, 3), strict=True):
        e = effect(one, metric)
        cells.append(
            {
                "before": f"{scale * e['before']:.{places}f}",
                "value": f"{scale * e['change']:+.{places}f}",
                "members": f"{scale * e['low']:.{places}f} to {scale * e['high']:.{places}f} members",
                "digits": f"{scale * e['digits']['low']:.{places}f} to {scale * e['digits']['high']:.{places}f} digits",
                "clear": clear(one, metric),
            }
        )
    reads = [float(pd.Series([m[f"read, {when}"] for m in one["members"]]).mean()) for when in ("before", "after")]
    return {**row, "cells": cells, "reads": f"{reads[0]:.1f} to {reads[1]:.1f}"}
