"""Plots of where the bias sits and of what ways of repair do, as SVG text."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from biasray.report.plots import STYLE, colour, svg
from biasray.report.repair_rows import METRICS, Found, pair
from biasray.report.results import Row
from biasray.weights.repair import WAYS

FAR = 0.1  # of accuracy


def near(rows: Sequence[Row]) -> tuple[list[str], list[str]]:
    """Ways whose changes are small enough for one plot, without those that learn from digits; and the others."""
    ways = list(dict.fromkeys(r["method"] for r in rows))
    lost = {way: both[0]["value"] for way in ways if (both := pair(rows, way, "accuracy", "change"))}
    close = [way for way in ways if lost[way] > -FAR and not WAYS[way].learns]
    return close, [way for way in ways if way not in close]


def trade(rows: Sequence[Row], ways: Sequence[str]) -> str:
    """Change of the colour score against that of accuracy, with the intervals over members."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.4, 3.8), layout="constrained")
        axes = figure.subplots()
        for way, shade in colour(ways).items():
            x, y = (pair(rows, way, metric, "change") for metric in METRICS)
            if not x or not y:
                continue
            axes.plot([100 * (x[0][end] or x[0]["value"]) for end in ("low", "high")], [y[0]["value"]] * 2, color=shade, lw=1.2)
            axes.plot([100 * x[0]["value"]] * 2, [y[0][end] or y[0]["value"] for end in ("low", "high")], color=shade, lw=1.2)
            axes.plot(100 * x[0]["value"], y[0]["value"], "o", color=shade, ms=6, label=way)
        axes.axhline(0, color="#888888", lw=0.8)
        axes.axvline(0, color="#888888", lw=0.8)
        axes.set_xlabel("change of unbiased accuracy, points")
        axes.set_ylabel("change of colour score")
        if ways:
            axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1), fontsize=8)
        return svg(figure)


def members(one: Found, names: Mapping[float, str]) -> str:
    """Accuracy of each member before and after, by level."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.6, 3.4), layout="constrained")
        axes = figure.subplots()
        shades = colour([str(level) for level in names])
        for level, name in names.items():
            mine = [m for m in one["members"] if m["level"] == level]
            before, after = ([100 * m[when] for m in mine] for when in ("before", "after"))
            axes.plot(before, after, "o", color=shades[str(level)], ms=4, alpha=0.8, label=name)
        ends = axes.get_xlim()
        axes.plot(ends, ends, color="#888888", lw=0.8)
        axes.set_xlabel("accuracy before, %")
        axes.set_ylabel("accuracy after, %")
        axes.legend(frameon=False, fontsize=8, title="bias", title_fontsize=8)
        return svg(figure)


def layers(where: Mapping[str, Any]) -> str:
    """How much of what moves the detector lies in each layer, and what is lost where the layer is exchanged."""
    found = where["layers"]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8, 0.8 + 0.34 * len(found)), layout="constrained")
        panels = figure.subplots(1, 2, sharey=True)
        for axes, part, label in zip(
            panels,
            ("share", "lost"),
            ("share of what moves the detector, %", "detector's accuracy lost by exchange, points"),
            strict=True,
        ):
            for k, layer in enumerate(found):
                figure_, y = layer[part], len(found) - k
                axes.plot([100 * figure_["low"], 100 * figure_["high"]], [y] * 2, color="#0072B2", lw=1.2)
                axes.plot(100 * figure_["value"], y, "o", color="#0072B2", ms=5)
            axes.set_xlabel(label)
            axes.grid(False, axis="y")
            axes.axvline(0, color="#888888", lw=0.8)
        panels[0].set_yticks(range(len(found), 0, -1), [layer["name"] for layer in found])
        panels[0].set_ylim(0.4, len(found) + 0.6)
        return svg(figure)


def filters(where: Mapping[str, Any]) -> str:
    """A map of each layer, a row a unit and a column a unit of the layer before: gradient, and agreement of its signs.

    Units, and those of the layer before unless they are the image's channels, stand in the order of their gradient.
    """
    found = where["layers"]
    with mpl.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(8, 4.6), layout="constrained")
        panels = figure.subplots(2, len(found), squeeze=False)
        for k, layer in enumerate(found):
            gradient_UV, agreement_UV = np.array(layer["gradient"]), np.array(layer["agreement"])
            row_U = gradient_UV.mean(1).argsort()[::-1]
            column_V = gradient_UV.mean(0).argsort()[::-1] if k else np.arange(gradient_UV.shape[1])
            most = max(gradient_UV.max(), np.finfo(float).tiny)
            for axes, map_UV in zip(panels[:, k], (gradient_UV / most, agreement_UV), strict=True):
                shown = axes.imshow(map_UV[row_U][:, column_V], aspect="auto", cmap="Blues", vmin=0, vmax=1)
                axes.set_yticks([0, len(row_U) - 1], ["1", str(len(row_U))], fontsize=7)
                axes.set_xticks([0, len(column_V) - 1], ["1", str(len(column_V))], fontsize=7)
            panels[0, k].set_title(layer["name"], fontsize=8)
        for axes, label in zip(panels[:, 0], ("gradient", "agreement of signs"), strict=True):
            axes.set_ylabel(f"{label}\nunits", fontsize=8)
        figure.supxlabel("units of the layer before, or channels", fontsize=8)
        figure.colorbar(shown, ax=panels, shrink=0.6).ax.tick_params(labelsize=7)
        return svg(figure)
