"""Plots of classifiers on data sets, as SVG text, in per cent."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from biasray.report.cross_rows import ACCURACY, ALL, at
from biasray.report.plots import COLOURS, STYLE, svg
from biasray.report.results import Row


def matrix(found: Sequence[Row], classifiers: Sequence[str], datasets: Sequence[str], worst: Sequence[Row]) -> str:
    """Accuracy of each classifier on each data set, and beside it that of the group it fails most there."""
    lowest = {(r["method"], r["data"]): r["group"] for r in reversed(worst)}
    with mpl.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(2.6 + 1.5 * len(datasets), 0.8 + 0.55 * len(classifiers)), layout="constrained")
        for axes, title in zip(figure.subplots(1, 2, sharey=True), ("all images", "worst group"), strict=True):
            share_MD = np.full((len(classifiers), len(datasets)), np.nan)
            for m, classifier in enumerate(classifiers):
                for d, data in enumerate(datasets):
                    group = ALL if title == "all images" else lowest.get((classifier, data), ALL)
                    if row := at(found, classifier, data, group, ACCURACY):
                        share_MD[m, d] = 100 * row["value"]
            axes.imshow(share_MD, cmap="RdYlBu", vmin=0, vmax=100, aspect="auto")
            for (m, d), share in np.ndenumerate(share_MD):
                axes.text(d, m, f"{share:.1f}" if share == share else "", ha="center", va="center", fontsize=8)
            axes.set_xticks(range(len(datasets)), datasets, rotation=20, ha="right")
            axes.set_yticks(range(len(classifiers)), classifiers)
            axes.set_title(title, fontsize=9)
        return svg(figure)


def forest(found: Sequence[Row], classifier: str, data: str, failed: Sequence[Row], most: int = 14) -> str:
    """Accuracy of the worst groups of one classifier on one data set with intervals over images; those it fails in orange."""
    mine = [r for r in found if (r["method"], r["data"], r["metric"], r["interval"]) == (classifier, data, ACCURACY, "images")]
    groups = sorted((r for r in mine if r["group"] != ALL), key=lambda r: r["value"])[:most]
    shown, lost = [*groups[::-1], *(r for r in mine if r["group"] == ALL)], {r["group"] for r in failed}
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.2, 0.5 + 0.2 * len(shown)), layout="constrained")
        axes = figure.subplots()
        for y, row in enumerate(shown):
            colour = "#000000" if row["group"] == ALL else COLOURS[1 if row["group"] in lost else 0]
            axes.plot([100 * row["low"], 100 * row["high"]], [y, y], color=colour, lw=1.2)
            axes.plot(100 * row["value"], y, "o", color=colour, ms=3.5)
        axes.set_yticks(range(len(shown)), [f"{r['group']} ({r['n']:,})" for r in shown], fontsize=7)
        axes.set_xlim(min(50.0, *(100 * r["low"] for r in shown)) - 1, 101)
        axes.set_title(f"{classifier}, on {data}", fontsize=8)
        return svg(figure)
