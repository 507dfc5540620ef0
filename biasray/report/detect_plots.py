"""Plots of what detectors read, as SVG text."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from biasray.metrics.interval import Interval
from biasray.report.detect_rows import Found
from biasray.report.plots import COLOURS, MARKERS, STYLE, svg


def accuracies(every: Sequence[Found], oracle: Found | None) -> str:
    """Accuracy of each detector, a filled dot, and hollow where the hidden units are in another order; chance and oracle."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8, 0.7 + 0.3 * len(every)), layout="constrained")
        axes = figure.subplots()
        for k, f in enumerate(every):
            y = len(every) - k
            for value, interval, up, face in (
                (f.accuracy, f.interval, 0.12, COLOURS[0]),
                (f.shuffled, f.shuffled_interval, -0.12, "white"),
            ):
                axes.plot([100 * interval.low, 100 * interval.high], [y + up] * 2, color=COLOURS[0], lw=1.2)
                axes.plot(100 * value, y + up, "o", color=COLOURS[0], mfc=face, ms=5)
        axes.axvline(100 * every[0].chance, color="#888888", lw=1, ls=":")
        axes.annotate("chance", (100 * every[0].chance, len(every) + 0.6), fontsize=8, color="#666666", ha="center")
        if oracle:
            axes.axvline(100 * oracle.accuracy, color=COLOURS[1], lw=1, ls="--")
            axes.annotate(
                "its own accuracy", (100 * oracle.accuracy, len(every) + 0.6), fontsize=8, color=COLOURS[1], ha="center"
            )
        axes.set_yticks(range(len(every), 0, -1), [label(f) for f in every])
        axes.set_ylim(0.4, len(every) + 1)
        axes.set_xlim(0, 101)
        axes.set_xlabel("level read rightly, %")
        axes.grid(False, axis="y")
        return svg(figure)


def label(f: Found) -> str:
    return f.detector if f.setting == "all layers" else f"{f.detector}, {f.setting}"


def confusion(f: Found, names: Sequence[str]) -> str:
    """Share of each true level that was read as each level, %."""
    share_KK = 100 * f.confusion_KK / np.maximum(f.confusion_KK.sum(1, keepdims=True), 1)
    with mpl.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(3.4, 2.9), layout="constrained")
        axes = figure.subplots()
        axes.imshow(share_KK, vmin=0, vmax=100, cmap="Blues")
        for (t, r), value in np.ndenumerate(share_KK):
            axes.text(r, t, f"{value:.0f}", ha="center", va="center", color="white" if value > 60 else "black")
        axes.set_xticks(range(len(names)), names)
        axes.set_yticks(range(len(names)), names)
        axes.set_xlabel("read")
        axes.set_ylabel("true")
        axes.set_title(label(f), fontsize=9, loc="left")
        return svg(figure)


def embedding(place_M2: NDArray[np.float64], index: pd.DataFrame, names: Sequence[str]) -> str:
    """Models in the plane: colour the level, shape the half of the images that they learnt from."""
    halves = sorted(index["half"].unique()) if "half" in index else [None]
    with mpl.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(6.4, 4), layout="constrained")
        axes = figure.subplots()
        for k, level in enumerate(sorted(index["level"].unique())):
            for marker, half in zip(MARKERS, halves, strict=False):
                mine = (index["level"] == level).to_numpy() & ((index["half"] == half).to_numpy() if half else True)
                called = names[k] + (f", {half} half" if half and len(halves) > 1 else "")
                axes.plot(*place_M2[mine].T, marker, color=COLOURS[k % len(COLOURS)], ms=4, alpha=0.7, label=called)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1), fontsize=8)
        return svg(figure)


def curve(every: Sequence[Found]) -> str:
    """Accuracy against the number of models to learn from; thin where hidden units are in another order."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 3.2), layout="constrained")
        axes = figure.subplots()
        for k, called in enumerate(dict.fromkeys(label(f) for f in every)):
            mine = sorted((f for f in every if label(f) == called), key=lambda f: f.trained[1])
            x, colour = [f.trained[1] for f in mine], COLOURS[k % len(COLOURS)]
            axes.plot(x, [100 * f.accuracy for f in mine], "o-", color=colour, ms=4, label=called)
            axes.plot(x, [100 * f.shuffled for f in mine], ":", color=colour, lw=1)
            axes.fill_between(x, *_band([f.interval for f in mine]), color=colour, alpha=0.12, lw=0)
        axes.axhline(100 * every[0].chance, color="#888888", lw=1, ls=":")
        axes.set_xscale("log")
        ticks = sorted({f.trained[1] for f in every})
        axes.set_xticks(ticks, [str(t) for t in ticks])
        axes.minorticks_off()
        axes.set_ylim(0, 100)
        axes.set_xlabel("models to learn from")
        axes.set_ylabel("level read rightly, %")
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1), fontsize=8)
        return svg(figure)


def _band(intervals: Sequence[Interval]) -> tuple[list[float], list[float]]:
    return [100 * i.low for i in intervals], [100 * i.high for i in intervals]
