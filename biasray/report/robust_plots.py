"""Plots of trainings on hidden regions, as SVG text. Figures are in per cent."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from biasray.report.plots import COLOURS, MARKERS, STYLE, legend, svg
from biasray.report.results import Row
from biasray.report.robust_rows import GAP, ORIGINAL


def strategies(rows: Sequence[Row], settings: Sequence[str], targets: Sequence[str]) -> str:
    """Accuracy of each target by what was learnt from, with intervals over seeds (figure 7)."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8, 2.8), layout="constrained")
        axes, width = figure.subplots(), 0.8 / len(targets)
        for k, target in enumerate(targets):
            mine = {r["setting"]: r for r in rows if r["metric"] == f"accuracy, {target}" and r["interval"] == "seeds"}
            here = [mine[setting] for setting in settings]
            x_V = np.arange(len(here)) + (k - (len(targets) - 1) / 2) * width
            axes.bar(x_V, [100 * r["value"] for r in here], 0.9 * width, color=COLOURS[k], label=target)
            for x, r in zip(x_V, here, strict=True):
                if r["low"] is not None:
                    axes.plot([x, x], [100 * r["low"], 100 * r["high"]], color="#333333", lw=1)
        axes.set_xticks(range(len(settings)), [s.replace(" ", "\n") for s in settings])
        axes.grid(False, axis="x")
        axes.set_ylim(0, 100)
        axes.set_ylabel("accuracy, %")
        legend(figure, axes)
        return svg(figure)


def quantiles(rows: Sequence[Row], kinds: Sequence[str], targets: Sequence[str]) -> str:
    """Accuracy and gap by the quantile above which is hidden, a panel a kind; dotted the original (figure 8)."""
    metrics = ["accuracy", *(f"accuracy, {target}" for target in targets), GAP]
    found = {(r["setting"], r["metric"]): r for r in rows if r["interval"] == "seeds"}
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(2.1 * len(kinds) + 1.2, 2.6), layout="constrained")
        panels = figure.subplots(1, len(kinds), sharey=True, squeeze=False)[0]
        for axes, kind in zip(panels, kinds, strict=True):
            at = sorted({s.rpartition(" ")[2] for s, _ in found if s.startswith(f"{kind} ")}, key=float)
            for k, metric in enumerate(metrics):
                y = [100 * found[f"{kind} {q}", metric]["value"] for q in at]
                axes.plot(
                    [float(q) for q in at], y, color=COLOURS[k], marker=MARKERS[k % len(MARKERS)], ms=4, lw=1.2, label=metric
                )
                axes.axhline(100 * found[ORIGINAL, metric]["value"], color=COLOURS[k], lw=0.9, ls=":")
            axes.set_title(kind, fontsize=9)
            axes.set_xticks([float(q) for q in at], at)
            axes.set_xlabel("quantile")
        panels[0].set_ylabel("%")
        legend(figure, panels[0])
        return svg(figure)
