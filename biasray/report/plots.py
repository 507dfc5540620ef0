"""Plots as SVG text, to stand inside a page. Figures are in per cent."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from biasray import metrics
from biasray.report.results import Row

mpl.use("agg")
# Okabe and Ito's colours: told apart by readers with any colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999", "#F0E442")
MARKERS = "o^sDv"
STYLE: dict[Any, Any] = {
    "font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": "#e6e6e6",
    "axes.axisbelow": True, "axes.edgecolor": "#888888", "svg.hashsalt": "biasray", "svg.fonttype": "none",
}  # fmt: skip
FEW = 12  # groups that fit as bars; more are drawn as a map


def colour(methods: Sequence[str]) -> dict[str, str]:
    return {method: COLOURS[k % len(COLOURS)] for k, method in enumerate(methods)}


def svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def accuracies(rows: Sequence[Row], methods: Sequence[str], groups: Sequence[str]) -> str:
    """Bars of accuracy by group and method, with the interval over examples."""
    found = {(r["method"], r["group"]): r for r in rows if r["metric"] == "accuracy" and r["interval"] == "examples"}
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8, 2.8), layout="constrained")
        axes, width = figure.subplots(), 0.8 / len(methods)
        for k, method in enumerate(methods):
            here = [found.get((method, group)) for group in groups]
            x = np.arange(len(groups)) + (k - (len(methods) - 1) / 2) * width
            y, low, high = (np.array([np.nan if r is None else 100 * r[f] for r in here]) for f in ("value", "low", "high"))
            error = np.maximum(0, [y - low, high - y])
            axes.bar(x, y, 0.9 * width, yerr=error, color=colour(methods)[method], label=method, error_kw={"lw": 1})
        sizes = [next((r["n"] for r in (found.get((m, g)) for m in methods) if r), 0) for g in groups]
        axes.set_xticks(range(len(groups)), [f"{g}\nn = {n:,}" for g, n in zip(groups, sizes, strict=True)])
        axes.grid(False, axis="x")
        axes.set_ylim(0, 100)
        axes.set_ylabel("accuracy, %")
        legend(figure, axes)
        return svg(figure)


def maps(rows: Sequence[Row], methods: Sequence[str], targets: Sequence[str], biases: Sequence[str]) -> str:
    """A map of accuracy over targets and bias values for each method."""
    found = {(r["method"], r["group"]): r["value"] for r in rows if r["metric"] == "accuracy"}
    across = min(len(methods), 4)
    down = -(-len(methods) // across)
    with mpl.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(2.3 * across + 0.6, 2.5 * down), layout="constrained")
        panels = figure.subplots(down, across, squeeze=False).flatten()
        image = None
        for axes, method in zip(panels, methods, strict=False):
            value = [[100 * found.get((method, f"{t}, {b}"), np.nan) for b in biases] for t in targets]
            image = axes.pcolormesh(value, vmin=0, vmax=100, cmap="cividis", edgecolors="white", linewidth=0.3)
            axes.set_aspect("equal")
            axes.invert_yaxis()
            axes.set_title(method, fontsize=9)
            axes.set_xticks(np.arange(len(biases)) + 0.5, [b.split(" ")[-1] for b in biases])
            axes.set_yticks(np.arange(len(targets)) + 0.5, targets)
            axes.set_xlabel(biases[0].rsplit(" ", 1)[0])
        for axes in panels[len(methods) :]:
            axes.set_visible(False)
        panels[0].set_ylabel("target")
        assert image is not None
        figure.colorbar(image, ax=list(panels), label="accuracy, %", shrink=0.8)
        return svg(figure)


def curves(history: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]]) -> str:
    """Validation accuracy and group average by epoch, last stage of each method; a thin line a seed, a thick mean."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8, 2.8), layout="constrained")
        left, right = figure.subplots(1, 2)
        for axes, name, label in ((left, "accuracy", "accuracy, %"), (right, "group_average", "group average, %")):
            for method, seeds in history.items():
                last = [[100 * e[name] for e in epochs if e["stage"] == epochs[-1]["stage"]] for epochs in seeds]
                lines(axes, last, colour(list(history))[method], method)
            axes.set_xlabel("epoch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.set_ylabel(label)
            axes.set_ylim(0, 100)
        legend(figure, left)
        return svg(figure)


def legend(figure: Figure, axes: Axes) -> None:
    """One above all axes, in as many lines as it takes."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, ncols=min(len(labels), 6), frameon=False, loc="outside upper left")


def lines(axes: Axes, value_SE: list[list[float]], shade: str, label: str) -> None:
    for value in value_SE:
        axes.plot(range(1, len(value) + 1), value, color=shade, lw=0.7, alpha=0.45)
    shortest = min(map(len, value_SE))
    mean: NDArray[np.float64] = np.mean([value[:shortest] for value in value_SE], 0)
    axes.plot(range(1, shortest + 1), mean, color=shade, lw=1.8, label=label)


def plane(rows: Sequence[Row], methods: Sequence[str], across: str, up: str) -> str:
    """Two metrics against each other: a point a method, with its intervals over seeds where there are several."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.6, 3.4), layout="constrained")
        axes = figure.subplots()
        for method in methods:
            mine = {r["metric"]: r for r in rows if (r["method"], r["group"], r["interval"]) == (method, "all", "seeds")}
            x, y = mine[across], mine[up]
            for at, fixed, swap in ((x, y, 1), (y, x, -1)):
                if at["low"] is not None:
                    line = [100 * at["low"], 100 * at["high"]], [100 * fixed["value"]] * 2
                    axes.plot(*line[::swap], color=colour(methods)[method], lw=1, alpha=0.6)
            place = (100 * x["value"], 100 * y["value"])
            axes.plot(*place, "o", color=colour(methods)[method], ms=6)
            axes.annotate(method, place, (6, 5), textcoords="offset points", color=colour(methods)[method])
        axes.set_xlabel(f"{metrics.found()[across].title}, %")
        axes.set_ylabel(f"{metrics.found()[up].title}, %")
        return svg(figure)


def dots(rows: Sequence[Row], methods: Sequence[str], metric: str, label: str) -> str:
    """One metric by method: the mean, a thick line for the interval over examples, a thin one for that over seeds."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8, 0.5 + 0.36 * len(methods)), layout="constrained")
        axes = figure.subplots()
        for k, method in enumerate(methods):
            for r in (r for r in rows if (r["method"], r["metric"], r["group"]) == (method, metric, "all")):
                thick = r["interval"] == "examples"
                if r["low"] is not None:
                    ends = [100 * r["low"], 100 * r["high"]]
                    axes.plot(ends, [k, k], color=colour(methods)[method], lw=5 if thick else 1.2, alpha=0.5 if thick else 1)
                axes.plot(100 * r["value"], k, "o", color=colour(methods)[method], ms=5)
        axes.set_yticks(range(len(methods)), methods)
        axes.invert_yaxis()
        axes.set_xlim(left=min(0, axes.get_xlim()[0]))
        axes.set_xlabel(label)
        return svg(figure)
