"""One self-contained page about methods at several levels of bias (Zhang et al., MM 2024, figure 5)."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from biasray import metrics
from biasray.metrics.exposure import TITLES
from biasray.report import headline, plots
from biasray.report.results import Row

SHOWN = {
    **{name: metrics.found()[name].title for name in ("group_average", "worst_group", "model_bias")},
    "bias_accuracy": TITLES["bias_accuracy"],
}
PLOTTED = ("group_average", "model_bias", "bias_accuracy")


def render(rows: Sequence[Row], links: Mapping[float, str], title: str, about: Mapping[str, Any]) -> str:
    """HTML from the rows of all levels, each with its agreement; `links` lead to the page of each."""
    levels = sorted(links, reverse=True)
    lines = {metric: by_method(rows, metric) for metric in SHOWN}
    environment = Environment(loader=PackageLoader("biasray.report", "."), undefined=StrictUndefined, autoescape=True)
    return environment.get_template("levels.html.j2").render(
        title=title,
        seeds=rows[0]["seeds"],
        links=[(f"{level}", f"{ratio(level):.3g}", links[level]) for level in levels],
        plot=Markup(curves({metric: lines[metric] for metric in PLOTTED if lines[metric]}, levels)),
        tables=[
            (SHOWN[metric], [(name, [_cell(found.get(level)) for level in levels]) for name, found in lines[metric].items()])
            for metric in SHOWN
            if lines[metric]
        ],
        about=about,
    )


def ratio(agreement: float) -> float:
    """Conflicting training examples to aligned ones."""
    return (1 - agreement) / agreement if agreement else float("inf")


def by_method(rows: Sequence[Row], metric: str) -> dict[str, dict[float, Row]]:
    """Method, and network where the figure is one's, -> agreement -> row with its interval over seeds."""
    found: dict[str, dict[float, Row]] = {}
    for r in rows:
        if r["metric"] == metric and r["interval"] == "seeds" and (r["group"] == "all" or metric in TITLES):
            name = r["method"] if r["group"] == "all" else f"{r['method']}: {r['group']}"
            found.setdefault(name, {})[r["agreement"]] = r
    return found


def _cell(row: Row | None) -> tuple[str, str] | None:
    return (f"{100 * row['value']:.1f}", headline.span(row)) if row else None


def curves(lines: Mapping[str, Mapping[str, Mapping[float, Row]]], levels: Sequence[float]) -> str:
    """A panel a metric: a line a method over the levels, with intervals over seeds."""
    methods = list(dict.fromkeys(row["method"] for found in lines.values() for of in found.values() for row in of.values()))
    shade = plots.colour(methods)
    with mpl.rc_context(plots.STYLE):
        figure = Figure(figsize=(8, 3.2), layout="constrained")
        panels = figure.subplots(1, len(lines), squeeze=False)[0]
        for axes, (metric, found) in zip(panels, lines.items(), strict=True):
            for k, by_level in enumerate(found.values()):
                row_at = {level: by_level[level] for level in levels if level in by_level}
                x = [levels.index(level) + 0.03 * (k - len(found) / 2) for level in row_at]
                colour = shade[next(iter(row_at.values()))["method"]]
                y = [100 * row["value"] for row in row_at.values()]
                axes.plot(x, y, "o-", color=colour, ms=4, lw=1.4, label=next(iter(row_at.values()))["method"])
                for at, row in zip(x, row_at.values(), strict=True):
                    if row["low"] is not None:
                        axes.plot([at, at], [100 * row["low"], 100 * row["high"]], color=colour, lw=1, alpha=0.5)
            axes.set_title(f"{SHOWN[metric]}, %", fontsize=9)
            axes.set_xticks(range(len(levels)), [f"{ratio(level):.3g}" for level in levels])
            axes.set_ylim(0, 100)
        figure.supxlabel("conflicting to aligned training examples", fontsize=9)
        plots.legend(figure, panels[0])
        return plots.svg(figure)
