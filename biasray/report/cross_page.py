"""One self-contained page about classifiers on data sets, by groups. An average that hides a failure is what is read first."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from biasray.report import cross_plots
from biasray.report.cross_rows import ACCURACY, ALL, HIDDEN, RATIO, at, failed, hidden
from biasray.report.results import Row


class Shown(NamedTuple):
    """What the page is made from besides the rows."""

    target: str
    values: tuple[str, ...]
    classifiers: Sequence[str]
    datasets: Sequence[str]
    attributes: Sequence[str]
    fewest: int
    said: Sequence[str]  # how each classifier came about
    left_out: Sequence[str]  # which images were not tested on, and why


def render(rows: Sequence[Row], shown: Shown, lost: Sequence[str], about: Mapping[str, Any]) -> str:
    """HTML; `lost` are sentences about trainings that failed."""
    page = Environment(loader=PackageLoader("biasray.report", "."), undefined=StrictUndefined, autoescape=True)
    worst = failed(rows)
    pairs = [(m, d) for m in shown.classifiers for d in shown.datasets if at(rows, m, d, ALL, ACCURACY)]
    return page.get_template("cross.html.j2").render(
        title=f"Who is told {shown.target} wrongly",
        lost=lost,
        hidden=[_hidden(rows, row) for row in hidden(rows)],
        target=shown.target,
        values=shown.values,
        matrix=Markup(cross_plots.matrix(rows, shown.classifiers, shown.datasets, worst)),
        lines=[_line(rows, m, d, shown.target, shown.values) for m, d in pairs],
        forests=[Markup(cross_plots.forest(rows, m, d, _of(worst, m, d))) for m, d in pairs],
        failed=[_cells(rows, row) for row in worst],
        attributes=shown.attributes,
        fewest=shown.fewest,
        tests=sum("p" in row for row in rows),
        percent=f"{100 * HIDDEN:.0f}",
        said=shown.said,
        left_out=shown.left_out,
        about=about,
    )


def sentence(rows: Sequence[Row], row: Row) -> str:
    """What an average hides, in words."""
    of_all, of_group = (at(rows, row["method"], row["data"], group, ACCURACY) for group in (ALL, row["group"]))
    assert of_all
    assert of_group
    return (
        f"{row['method']} on {row['data']}: {100 * of_all['value']:.1f} % of all, but {100 * of_group['value']:.1f} % "
        f"({100 * of_group['low']:.1f} to {100 * of_group['high']:.1f}) of {row['group']} (n = {row['n']:,})"
    )


def text(rows: Sequence[Row]) -> str:
    """Accuracy of all and the ratio as a table, and what averages hide."""
    lines = []
    for row in rows:
        if row["group"] == ALL and row["metric"] == ACCURACY and row["interval"] == "images":
            ratio = at(rows, row["method"], row["data"], ALL, RATIO)
            lines.append(
                {
                    "classifier": row["method"],
                    "tested on": row["data"],
                    "n": f"{row['n']:,}",
                    "right": f"{100 * row['value']:.1f} ({100 * row['low']:.1f} to {100 * row['high']:.1f})",
                    "ratio": f"{100 * ratio['value']:.1f}" if ratio else "",
                }
            )
    said = [sentence(rows, row) for row in hidden(rows)]
    title = ["", "Averages that hide a failure:"] if said else []
    return "\n".join([pd.DataFrame(lines).to_string(index=False), *title, *said])


def _hidden(rows: Sequence[Row], row: Row) -> dict[str, str]:
    of_all, of_group = (at(rows, row["method"], row["data"], group, ACCURACY) for group in (ALL, row["group"]))
    assert of_all
    assert of_group
    return {
        "where": f"{row['method']}, on {row['data']}",
        "all": f"{100 * of_all['value']:.1f}",
        "group": f"{100 * of_group['value']:.1f}",
        "span": f"{100 * of_group['low']:.1f} to {100 * of_group['high']:.1f}",
        "name": row["group"],
        "n": f"{row['n']:,}",
    }


def _of(worst: Sequence[Row], classifier: str, data: str) -> list[Row]:
    return [r for r in worst if (r["method"], r["data"]) == (classifier, data)]


def _line(rows: Sequence[Row], classifier: str, data: str, target: str, values: Sequence[str]) -> dict[str, Any]:
    own = {r["values"][0]: r["group"] for r in rows if r["setting"] == target and r["metric"] == ACCURACY}
    groups = [own.get(value) or own.get(f"{target} {value}", "") for value in values]
    cells = [_cell(rows, classifier, data, group, ACCURACY) for group in (ALL, *groups)]
    return {"classifier": classifier, "data": data, "cells": [*cells, _cell(rows, classifier, data, ALL, RATIO)]}


def _cell(rows: Sequence[Row], classifier: str, data: str, group: str, metric: str) -> dict[str, str] | None:
    found = at(rows, classifier, data, group, metric)
    if found is None:
        return None
    spans = [("images", found), ("seeds", at(rows, classifier, data, group, metric, "seeds"))]
    return {
        "value": f"{100 * found['value']:.1f}",
        "n": f"{found['n']:,}",
        "spans": "; ".join(
            f"{k} {100 * r['low']:.1f} to {100 * r['high']:.1f}" for k, r in spans if r and r["low"] is not None
        ),
    }


def _cells(rows: Sequence[Row], row: Row) -> dict[str, str]:
    of_group = at(rows, row["method"], row["data"], row["group"], ACCURACY)
    assert of_group
    return {
        "where": f"{row['method']}, on {row['data']}",
        "group": row["group"],
        "n": f"{row['n']:,}",
        "accuracy": f"{100 * of_group['value']:.1f} ({100 * of_group['low']:.1f} to {100 * of_group['high']:.1f})",
        "behind": f"{100 * row['value']:.1f} ({100 * row['low']:.1f} to {100 * row['high']:.1f})",
        "p": f"{row['p']:.2g}" if row["p"] >= 0.001 else "< 0.001",
    }
