"""One self-contained page about a zoo."""

from math import isnan
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from biasray.metrics.interval import Interval
from biasray.report import zoo_plots, zoo_rows

FIGURES = {
    "accuracy": ("accuracy, %", 100.0),
    "conflicting_accuracy": ("in another colour, %", 100.0),
    "colour_score": ("colour score", 1.0),
    "age_mae": ("error of age, years", 1.0),
    "gender_error": ("error of gender, %", 100.0),
}
DIGITS = 2  # after the point, of figures that are no per cent


def render(index: pd.DataFrame, programs: list[dict[str, Any]], about: dict[str, Any]) -> str:
    """HTML of a finished zoo: its index, the programs of its plan, and what repeats it."""
    chosen = [name for name in FIGURES if name in index]
    found = zoo_rows.rows(index, chosen)
    lively = bool(index["finite"].any())
    trends = zoo_rows.trends(index) if lively and "attribute" in index else []
    page = Environment(loader=PackageLoader("biasray.report", "."), undefined=StrictUndefined, autoescape=True)
    return page.get_template("zoo.html.j2").render(
        title=f"A zoo of {len(index):,} models with a controlled bias",
        lead=_lead(index),
        columns=[FIGURES[name][0] for name in chosen],
        table=_table(found, chosen),
        plots=[Markup(zoo_plots.levels(index, name, *FIGURES[name])) for name in chosen if lively and "attribute" not in index],
        share_plot=Markup(zoo_plots.shares(index)) if trends else None,
        trends=[_trend(trend) for trend in trends],
        ordered=_ordered(zoo_rows.ordered(found)),
        lost=int((~index["finite"]).sum()),
        limits=_limits(index),
        programs=programs,
        about=about,
        data=index["data"].iloc[0],
    )


def _lead(index: pd.DataFrame) -> str:
    first = index.iloc[0]
    what = (
        f"Models of faces that learn {first['targets']}, with any share of {first['attribute']} in {first['images']:,} images"
        if "attribute" in index
        else f"Digit classifiers trained on {first['images']:,} images in which each digit has its own colour"
    )
    networks = ", ".join(index["network"].unique())
    return f"{what}; {networks}; {first['precision']}, seed {first['seed']}. Tested on images that no member was trained on."


def _ordered(by_family: dict[str, bool]) -> str:
    if not by_family:
        return "There are no two levels to compare."
    not_so = [family for family, is_so in by_family.items() if not is_so]
    if not_so:
        return f"Mean accuracies are not strictly ordered by level in {len(not_so)} of {len(by_family)}: {'; '.join(not_so)}."
    return "Mean accuracies are strictly ordered by level" + (
        f" in all {len(by_family)} families." if len(by_family) > 1 else "."
    )


def _span(interval: Interval, scale: float) -> str:
    if not abs(interval.low) < float("inf"):
        return "one member"
    digits = 1 if scale == 100 else DIGITS
    return f"{scale * interval.low:.{digits}f} to {scale * interval.high:.{digits}f}"


def _table(found: list[zoo_rows.Row], chosen: list[str]) -> list[dict[str, Any]]:
    by = {(row.family, row.level, row.bias, row.figure): row for row in found}
    table = []
    for family, level, bias in dict.fromkeys((row.family, row.level, row.bias) for row in found):
        cells = []
        for name in chosen:
            scale, row = FIGURES[name][1], by.get((family, level, bias, name))
            if row is None:
                cells.append({"value": "none", "mean": "", "middle": ""})
                continue
            value = f"{scale * row.value:.{1 if scale == 100 else DIGITS}f}"
            cells.append({"value": value, "mean": _span(row.mean, scale), "middle": _span(row.middle, scale)})
        n = max(row.n for key, row in by.items() if key[:3] == (family, level, bias))
        table.append({"family": family, "bias": bias, "level": f"{level:g}", "n": n, "cells": cells})
    return table


def _trend(trend: zoo_rows.Trend) -> dict[str, str]:
    scale = 1.0 if trend.gap.startswith("age") else 100.0
    rho, low, high = trend.guess
    return {
        "family": trend.family,
        "gap": trend.gap.replace("_", " "),
        "share": trend.share,
        "spearman": _rho(trend.spearman),
        "interval": f"{trend.interval.low:.3f} to {trend.interval.high:.3f}",
        "low": f"{scale * trend.low_end:.2f} ({_span(trend.low, scale)})",
        "high": f"{scale * trend.high_end:.2f} ({_span(trend.high, scale)})",
        "guess": f"{_rho(rho)}; {scale * low:.2f} and {scale * high:.2f}",
        "n": f"{trend.n:,}",
    }


def _rho(value: float) -> str:
    return "none" if isnan(value) else f"{value:.3f}"


def _limits(index: pd.DataFrame) -> list[str]:
    """What a reader must not take from this page, a sentence each."""
    said = []
    if "attribute" in index:
        said.append("Members of one zoo are tested on the same images, so their errors share what is odd about these.")
        if index["shuffled"].max() > 0:
            worst = 100 * index["shuffled"].max()
            said.append(f"Up to {worst:.0f} % of a member's labels were permuted on purpose, which raises its errors.")
    else:
        if len(index["init"].unique()) == 1:
            said.append("All members start from the same weights: what a detector reads from them need not hold for others.")
        if len(index["jitter"].unique()) == 1:
            said.append("All members of a level saw the same draw of colours: a detector may recognise the data file.")
    said.append("The bias was made by choosing or colouring images; that of models found in the world is less clean.")
    return said
