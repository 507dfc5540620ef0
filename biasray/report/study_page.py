"""One self-contained page about how well an audit estimates bias."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from biasray.audit.games import GAMES
from biasray.audit.study import IN_TURN
from biasray.report import audit_plots
from biasray.report.audit_page import UNITS
from biasray.report.results import Row
from biasray.report.study_rows import (
    BASELINES,
    COVERED,
    ERROR,
    FEWER,
    HALF,
    OURS,
    REFUSED,
    STOPPED,
    STOPPED_ERROR,
    called,
    spelt,
    worth,
)

SHOWN = 80  # images of the plots of estimates against truths, or the nearest


def render(rows: Sequence[Row], estimates: pd.DataFrame, target: str, about: Mapping[str, Any]) -> str:
    """HTML of rows and of the estimates that they are made of."""
    page = Environment(loader=PackageLoader("biasray.report", "."), undefined=StrictUndefined, autoescape=True)
    drawn = [r for r in rows if r["choice"] == "random"]
    architectures = list(dict.fromkeys(estimates["network"]))
    names = list(dict.fromkeys(r["group"] for r in rows if r["metric"] == ERROR))
    return page.get_template("study.html.j2").render(
        title=f"How well an audit tells the bias of {'ages' if target == 'age' else 'genders'}",
        lead=f"{estimates['id'].nunique():,} models of {len(architectures)} architectures, {', '.join(architectures)}.",
        unit=UNITS[target],
        figures=[_figure(name, rows, estimates, UNITS[target]) for name in names],
        draws=max((r["seeds"] for r in drawn if r["method"] not in BASELINES), default=0),
        baseline=max((r["seeds"] for r in drawn if r["method"] in BASELINES), default=0),
        in_turn=IN_TURN,
        about=about,
    )


def _figure(name: str, rows: Sequence[Row], estimates: pd.DataFrame, unit: str) -> dict[str, Any]:
    mine = [r for r in rows if r["group"] == name]
    budgets = sorted({r["budget"] for r in mine if r["budget"]})
    errors = {(called(r), r["budget"]): r for r in mine if r["metric"] == ERROR}
    p = {(called(r), r["budget"]): r["p"] for r in mine if r["metric"] == f"{ERROR} minus ours"}
    methods = list(dict.fromkeys(method for method, _ in errors))
    about = [r for r in rows if r["group"] == name or r["group"].startswith(f"{name}, ")]
    ours = [r for r in about if (r["method"], r["choice"]) == OURS]
    trust, fewer = ([r for r in ours if r["metric"] == metric] for metric in (COVERED, FEWER))
    return {
        "name": name,
        "budgets": budgets,
        "curves": Markup(audit_plots.curves(rows, name, unit)),
        "lines": [{"name": m, "cells": [_cell(errors.get((m, b)), p.get((m, b))) for b in budgets]} for m in methods],
        "worth": [said for b in budgets if (said := worth(rows, name, b))],
        "games": _games(mine, budgets),
        "truth": Markup(audit_plots.against_truth(estimates, name, min(budgets, key=lambda b: abs(b - SHOWN)), unit)),
        "trust": [
            (group.removeprefix(f"{name}, ") if group != name else "all", [_held(trust, group, b) for b in budgets])
            for group in dict.fromkeys(r["group"] for r in trust)
        ]
        + ([("all, widths from one architecture fewer", [_held(fewer, name, b) for b in budgets])] if fewer else []),
        "turns": _turns([r for r in about if r.get("within")], name),
    }


def _turns(mine: Sequence[Row], name: str) -> list[list[str]]:
    """What it takes when each image is chosen by the answers before it: a line a width of the interval."""
    lines = list[list[str]]()
    for within in dict.fromkeys(r["within"] for r in mine):
        found = {(r["metric"], r["group"]): r for r in mine if r["within"] == within}
        held = [found[COVERED, group]["value"] for metric, group in found if metric == COVERED]
        answers, off = found[STOPPED, name], found[STOPPED_ERROR, name]
        ends = "" if answers["low"] is None else f" ({answers['low']:.0f} to {answers['high']:.0f})"
        trusted = ["", ""]
        if held:
            covered = f"{100 * held[0]:.0f} % (each {100 * min(held):.0f} to {100 * max(held):.0f})"
            trusted = [f"{found[HALF, name]['value']:.2f}", covered]
        refused = f"{100 * found[REFUSED, name]['value']:.0f} %"
        lines.append([f"{within:g}", f"{answers['value']:.0f}{ends}", spelt(off), *trusted, refused])
    return lines


def _games(mine: Sequence[Row], budgets: Sequence[int]) -> list[tuple[str, list[str]]]:
    """The error, and the share that gets no interval, by what was done to the answers."""
    ours = {(r["metric"], r["budget"]): r["value"] for r in mine if (r["method"], r["choice"]) == OURS}
    found = []
    for game in ("", *GAMES):
        end = f", {game}" if game else ""
        pairs = [(ours.get((f"{ERROR}{end}", b)), ours.get((f"{REFUSED}{end}", b))) for b in budgets]
        cells = ["" if off is None or no is None else f"{off:.2f} ({100 * no:.0f}\N{NO-BREAK SPACE}%)" for off, no in pairs]
        found.append((game or "as they are", cells))
    return found


def _cell(row: Row | None, p: float | None) -> dict[str, str] | None:
    if row is None:
        return None
    interval = "" if row["low"] is None else f"{row['low']:.3f} to {row['high']:.3f}"
    return {"value": f"{row['value']:.3f}", "interval": interval, "p": "" if p is None else f"p {p:.2g}"}


def _held(trust: Sequence[Row], group: str, budget: int) -> str:
    return next((f"{100 * r['value']:.0f} %" for r in trust if (r["group"], r["budget"]) == (group, budget)), "")
