"""Plots of a zoo as SVG text: a dot a member, and boxes."""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from biasray.report.plots import COLOURS, STYLE, svg
from biasray.report.zoo_rows import PUBLISHED, families, gaps

FEW = 3  # families whose names fit above a plot


def levels(index: pd.DataFrame, figure: str, label: str, scale: float) -> str:
    """A figure of every member by level, the families side by side: boxes are quartiles, whiskers 1.5 times as long."""
    index = index[index["finite"]]
    at = {level: k for k, level in enumerate(sorted(index["level"].unique()))}
    found = families(index)
    with mpl.rc_context(STYLE):
        drawing = Figure(figsize=(8, 3.2), layout="constrained")
        axes, width = drawing.subplots(), 0.8 / len(found)
        for k, (family, table) in enumerate(found):
            colour, off = COLOURS[k % len(COLOURS)], (k - (len(found) - 1) / 2) * width
            x = table["level"].map(at) + off
            scatter = np.random.default_rng(0).uniform(-0.3, 0.3, len(x)) * width
            axes.plot(x + scatter, scale * table[figure], ".", color=colour, ms=3, alpha=0.35)
            known = table.dropna(subset=figure)
            values = {at[level] + off: scale * mine for level, mine in known.groupby("level")[figure]}
            line = {"color": colour, "lw": 1.3}
            axes.boxplot(
                list(values.values()), positions=list(values), widths=0.7 * width, showfliers=False, manage_ticks=False,
                boxprops=line, whiskerprops=line, capprops=line, medianprops=line,
            )  # fmt: skip
            axes.plot(list(values), [mine.mean() for mine in values.values()], "D", color=colour, ms=4, label=family)
        if figure == "accuracy" and set(at) <= set(PUBLISHED):
            axes.plot(list(at.values()), [100 * PUBLISHED[v] for v in at], "x", color="#000000", label="published (DigitWdb)")
        names = index.drop_duplicates("level").set_index("level")["bias"]
        axes.set_xticks(list(at.values()), [f"{names[level]}\n{level:g}" for level in at])
        axes.grid(False, axis="x")
        axes.set_ylabel(label)
        if len(found) <= FEW:
            axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=FEW + 1)
        else:
            axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
        return svg(drawing)


def shares(index: pd.DataFrame) -> str:
    """Every gap of every member against the share that drives it, with the mean at each share."""
    index = index[index["finite"]]
    names, guesses = list(gaps(index)), gaps(index, "guess_")
    with mpl.rc_context(STYLE):
        drawing = Figure(figsize=(8, 3.0 * -(-len(names) // 2)), layout="constrained")
        panels = drawing.subplots(-(-len(names) // 2), min(2, len(names)), squeeze=False).flatten()
        for axes, name in zip(panels, names, strict=False):
            years = name.startswith("age")
            for k, (family, table) in enumerate(families(index)):
                share, gap_M = gaps(table)[name]
                axes.plot(
                    100 * table[share], gap_M * (1 if years else 100), ".", color=COLOURS[k % len(COLOURS)], ms=4, alpha=0.5
                )
                mean = pd.Series(gap_M * (1 if years else 100)).groupby(table[share].to_numpy()).mean()
                axes.plot(100 * mean.index, mean, color=COLOURS[k % len(COLOURS)], lw=1.6, label=family)
            share, guess_M = guesses[name]
            mean = pd.Series(guess_M * (1 if years else 100)).groupby(index[share].to_numpy()).mean()
            axes.plot(100 * mean.index, mean, "--", color="#666666", lw=1.2, label="a constant guess")
            axes.axhline(0, color="#888888", lw=0.8)
            axes.set_xlabel(f"{share}, %")
            axes.set_ylabel("gap, years of error" if years else "gap, error in points")
            axes.set_title(name.replace("_", " "), fontsize=9, loc="left")
        for axes in panels[len(names) :]:
            axes.set_visible(False)
        panels[0].legend(frameon=False, fontsize=8)
        return svg(drawing)
