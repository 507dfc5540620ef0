"""Plots of an audit and of its study, as SVG text."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from biasray.metrics.counts import Floats
from biasray.report.plots import COLOURS, MARKERS, STYLE, legend, svg
from biasray.report.results import Row
from biasray.report.study_rows import BASELINES, ERROR, OURS, called

LINES = {"chosen": "-", "in turn": ":", "random": "--"}  # by how the images are chosen; colours by method


def plane(place_R2: Floats, target_2: Floats, truth_R: Floats, network_R: pd.Series, label: str) -> str:
    """References as points, coloured by their bias, shaped by architecture; the black box as a star."""
    with mpl.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(6.4, 3.8), layout="constrained")
        axes = figure.subplots()
        most = float(np.abs(truth_R).max()) or 1.0
        for k, name in enumerate(network_R.unique()):
            marker = MARKERS[k % len(MARKERS)]
            mine = (network_R == name).to_numpy()
            x, y = place_R2[mine].T
            shown = axes.scatter(x, y, c=truth_R[mine], cmap="coolwarm", vmin=-most, vmax=most, marker=marker, s=22, label=name)
        axes.plot(*target_2, "*", color="black", ms=14, label="black box", ls="none")
        axes.set_xticks([])
        axes.set_yticks([])
        figure.colorbar(shown, ax=axes, shrink=0.7, label=label)
        legend(figure, axes)
        return svg(figure)


def curves(rows: Sequence[Row], figure_: str, unit: str) -> str:
    """Mean absolute error of each method against the number of images, both logarithmic, with intervals over references."""
    mine = [r for r in rows if (r["metric"], r["group"]) == (ERROR, figure_)]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.4, 3.6), layout="constrained")
        axes = figure.subplots()
        methods = list(dict.fromkeys(r["method"] for r in mine))
        for name in dict.fromkeys(called(r) for r in mine):
            line = sorted((r for r in mine if called(r) == name), key=lambda r: r["budget"])
            x = [r["budget"] for r in line]
            style, colour = LINES[line[0]["choice"]], COLOURS[methods.index(line[0]["method"]) % len(COLOURS)]
            axes.plot(x, [r["value"] for r in line], style, marker="o", color=colour, ms=4, label=name)
            if all(r["low"] is not None for r in line):
                low, high = [r["low"] for r in line], [r["high"] for r in line]
                axes.fill_between(x, low, high, color=colour, alpha=0.12, lw=0)
        axes.set_xscale("log")
        axes.set_yscale("log")
        ticks = sorted({r["budget"] for r in mine})
        axes.set_xticks(ticks, [str(t) for t in ticks])
        axes.minorticks_off()
        axes.yaxis.set_major_formatter(mpl.ticker.FormatStrFormatter("%g"))
        axes.yaxis.set_major_locator(mpl.ticker.LogLocator(subs=(1, 2, 5)))
        axes.set_xlabel("images that the black box answers, or that are annotated or leaked")
        axes.set_ylabel(f"mean error, {unit}")
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1), fontsize=8)
        return svg(figure)


def against_truth(estimates: pd.DataFrame, figure_: str, budget: int, unit: str) -> str:
    """Estimate against truth of each reference that was left out: ours, and one draw of each baseline."""
    mine = estimates[(estimates["figure"] == figure_) & (estimates["budget"] == budget) & (estimates["draw"] == 0)]
    mine = mine[mine["game"] == ""]
    ways = [OURS, *((method, "random") for method in BASELINES if method in set(mine["method"]))]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(2.9 * len(ways), 3), layout="constrained")
        for axes, (method, choice) in zip(figure.subplots(1, len(ways), squeeze=False).flatten(), ways, strict=True):
            here = mine[(mine["method"] == method) & (mine["choice"] == choice)]
            for k, (name, part) in enumerate(here.groupby("network")):
                x, y, marker = part["truth"], part["estimate"], MARKERS[k % len(MARKERS)]
                axes.plot(x, y, marker, color=COLOURS[k % len(COLOURS)], ms=3.5, alpha=0.7, label=name)
            ends = [mine["truth"].min(), mine["truth"].max()]
            axes.plot(ends, ends, color="#888888", lw=0.8)
            axes.set_title("kernel, chosen images" if (method, choice) == OURS else method, fontsize=9, loc="left")
            axes.set_xlabel(f"truth, {unit}")
        figure.axes[0].set_ylabel(f"estimate, {unit}")
        figure.axes[0].legend(frameon=False, fontsize=7)
        return svg(figure)
