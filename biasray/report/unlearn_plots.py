"""Plots of unlearning, as SVG text. Axes: N test example, S seed, T slot of time."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from biasray.bias.extreme import BALANCED
from biasray.report.plots import COLOURS, MARKERS, STYLE, colour, legend, svg
from biasray.report.results import Row

Floats = NDArray[np.float64]


def sets(examples: pd.DataFrame, target: str, attribute: str) -> str:
    """How many examples of each target and value each set has."""
    named = examples.assign(part=np.where(examples["set"] == "", "to learn from: " + examples["split"], examples["set"]))
    parts = [name for name in sorted(set(named["part"]), key=lambda p: (not p.startswith("to"), p)) if name]
    bins, values = sorted(set(examples[target])), sorted(set(examples[attribute]))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8, 1.9 * -(-len(parts) // 2)), layout="constrained")
        panels = figure.subplots(-(-len(parts) // 2), 2, squeeze=False).flatten()
        for axes, part in zip(panels, parts, strict=False):
            mine = named[named["part"] == part]
            for k, value in enumerate(values):
                counts = mine[mine[attribute] == value][target].value_counts().reindex(bins, fill_value=0)
                middle_T = np.arange(len(bins)) + 0.8 / len(values) * (k - (len(values) - 1) / 2)
                axes.bar(middle_T, counts, 0.8 / len(values), color=COLOURS[k % len(COLOURS)], label=value)
            axes.set_title(f"{part}, n = {len(mine):,}", fontsize=9)
            axes.set_xticks(range(len(bins)), bins, rotation=60, fontsize=7)
            axes.grid(False, axis="x")
        for axes in panels[len(parts) :]:
            axes.set_visible(False)
        legend(figure, panels[0])
        return svg(figure)


def planes(place_N2: Mapping[str, Floats], value_N: NDArray[np.int64], values: Sequence[str]) -> str:
    """Representations of the balanced set in a plane, one panel a method, coloured by the attribute."""
    with mpl.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(2.7 * len(place_N2), 3.0), layout="constrained")
        panels = figure.subplots(1, len(place_N2), squeeze=False)[0]
        for axes, (method, point_N2) in zip(panels, place_N2.items(), strict=True):
            for k, value in enumerate(values):
                x, y = point_N2[value_N == k].T
                axes.scatter(x, y, s=5, color=COLOURS[k % len(COLOURS)], alpha=0.6, lw=0, label=value)
            axes.set_title(method, fontsize=9)
            axes.set_xticks([])
            axes.set_yticks([])
        legend(figure, panels[0])
        return svg(figure)


def trade(rows: Sequence[Row], chance: float) -> str:
    """Accuracy on the balanced set against what heads and probes read of the attribute there, with intervals over seeds."""
    found = {(r["method"], r["metric"]): r for r in rows if r["setting"] == BALANCED and r["interval"] == "seeds"}
    methods = list(dict.fromkeys(r["method"] for r in rows))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8, 3.2), layout="constrained")
        panels = figure.subplots(1, 3, sharey=True)
        for axes, reader in zip(panels, ("own head", "linear probe", "mlp probe"), strict=True):
            for k, method in enumerate(methods):
                x, y = found[method, reader], found[method, "accuracy"]
                shade = colour(methods)[method]
                if x["low"] is not None:
                    axes.plot([100 * x["low"], 100 * x["high"]], [100 * y["value"]] * 2, color=shade, lw=1.2)
                    axes.plot([100 * x["value"]] * 2, [100 * y["low"], 100 * y["high"]], color=shade, lw=1.2)
                mark = MARKERS[k % len(MARKERS)]
                axes.plot(100 * x["value"], 100 * y["value"], mark, color=shade, ms=6, label=method)
            axes.axvline(100 * chance, color="#888888", lw=1, ls=":")
            axes.set_xlabel(f"attribute, {reader}, % right")
        panels[0].set_ylabel("target, balanced set, % right")
        legend(figure, panels[0])
        return svg(figure)


def duels(loss_ST2: Mapping[str, Floats], epochs: int, guess: float) -> str:
    """Loss of learning the attribute and that of confusing it, by time: a thin line a seed, a thick one their mean."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(2.7 * len(loss_ST2), 2.6), layout="constrained")
        panels = figure.subplots(1, len(loss_ST2), sharey=True, squeeze=False)[0]
        for axes, (method, value_ST2) in zip(panels, loss_ST2.items(), strict=True):
            time_T, known_T = (np.arange(value_ST2.shape[1]) + 0.5) * epochs / value_ST2.shape[1], ~np.isnan(value_ST2[0, :, 0])
            time_T, value_ST2 = time_T[known_T], value_ST2[:, known_T]
            for k, name in enumerate(("learning the attribute", "confusing it")):
                for value_T in value_ST2[:, :, k]:
                    axes.plot(time_T, value_T, color=COLOURS[k], lw=0.4, alpha=0.35)
                axes.plot(time_T, value_ST2[:, :, k].mean(0), color=COLOURS[k], lw=1.1, label=name)
            axes.axhline(guess, color="#888888", lw=1, ls=":")
            axes.set_ylim(0, 3 * guess)
            axes.set_title(method, fontsize=9)
            axes.set_xlabel("epoch")
        panels[0].set_ylabel("loss")
        legend(figure, panels[0])
        return svg(figure)
