"""When does adapting work? Gains as maps: pools across, start models (or, of one, ways to adapt) downwards."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from biasray.report.adapt_guard import Foreseen
from biasray.report.adapt_rows import ACCURACY, GAIN, ORACLE, RATIO, Key, at
from biasray.report.plots import STYLE, svg
from biasray.report.results import Row

MARK = {"works": "✓", "risky": "?", "will harm": "✗"}


def phases(rows: Sequence[Row], keys: Sequence[Key], guard: Mapping[Key, Foreseen]) -> str:
    """SVG; a row of maps for accuracy and one for the ratio."""
    starts, pools, methods = (list(dict.fromkeys(key[part] for key in keys if key.method != ORACLE)) for part in range(3))
    one = len(starts) == 1
    down, panels = (methods, starts) if one else (starts, methods)
    with mpl.rc_context({**STYLE, "axes.grid": False}):
        size = (1.8 + len(panels) * (0.3 + 0.5 * len(pools)), 2 * (0.9 + 0.3 * len(down)))
        figure = Figure(figsize=(max(5.0, size[0]), size[1]), layout="constrained")
        grid = figure.subplots(2, len(panels), sharex=True, sharey=True, squeeze=False)
        for axes_P, metric in zip(grid, (ACCURACY, RATIO), strict=True):
            gain_PDC = np.full((len(panels), len(down), len(pools)), np.nan)
            marks = dict[tuple[int, int, int], str]()
            for key in keys:
                if key.method != ORACLE:
                    line, panel = (key.method, key.start) if one else (key.start, key.method)
                    place = panels.index(panel), down.index(line), pools.index(key.pool)
                    gain_PDC[place] = 100 * at(rows, key, metric + GAIN, "seeds")["value"]
                    marks[place] = MARK[guard[key].word] if key in guard else ""
            most = max(1.0, float(np.nanmax(np.abs(gain_PDC))))
            for p, (axes, gain_DC) in enumerate(zip(axes_P, gain_PDC, strict=True)):
                _panel(axes, gain_DC, {place[1:]: mark for place, mark in marks.items() if place[0] == p}, most)
                axes.set_xticks(range(len(pools)), pools, rotation=35, ha="right", fontsize=7)
                axes.set_yticks(range(len(down)), down, fontsize=7)
                if metric == ACCURACY and not one:
                    axes.set_title(panels[p], fontsize=8)
            axes_P[0].set_ylabel(f"gain in {metric}", fontsize=8)
        return svg(figure)


def _panel(axes: Axes, gain_DC: np.ndarray, marks: Mapping[tuple[int, ...], str], most: float) -> None:
    axes.imshow(gain_DC, cmap="RdBu", vmin=-most, vmax=most, aspect="auto")
    for place, gain in np.ndenumerate(gain_DC):
        said = f"{gain:+.1f} {marks.get(place, '')}".rstrip() if gain == gain else ""
        dark = abs(gain) > 0.6 * most
        axes.text(place[1], place[0], said, ha="center", va="center", fontsize=6, color="white" if dark else "black")
