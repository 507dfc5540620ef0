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
    """SVG; accuracy on the left, the ratio on the right; of several start models a row of maps for each way to adapt."""
    starts, pools, methods = (list(dict.fromkeys(key[part] for key in keys if key.method != ORACLE)) for part in range(3))
    one = len(starts) == 1
    down, panels = (methods, starts) if one else (starts, methods)
    with mpl.rc_context({**STYLE, "axes.grid": False}):
        size = 2.4 + 1.3 * len(pools), 1.2 + len(panels) * (0.35 + 0.3 * len(down))
        figure = Figure(figsize=(max(7.0, size[0]), size[1]), layout="constrained")
        grid = figure.subplots(len(panels), 2, sharex=True, sharey=True, squeeze=False)
        for axes_P, metric in zip(grid.T, (ACCURACY, RATIO), strict=True):
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
                axes.set_xticks(range(len(pools)), pools, rotation=25, ha="right", fontsize=8)
                axes.set_yticks(range(len(down)), down, fontsize=8)
                if not one:
                    axes.set_title(panels[p], fontsize=9, loc="left")
            axes_P[0].set_title(f"gain in {metric}" + ("" if one else f"\n\n{panels[0]}"), fontsize=9, loc="left")
        return svg(figure)


def _panel(axes: Axes, gain_DC: np.ndarray, marks: Mapping[tuple[int, ...], str], most: float) -> None:
    axes.imshow(gain_DC, cmap="RdBu", vmin=-most, vmax=most, aspect="auto")
    for place, gain in np.ndenumerate(gain_DC):
        said = f"{gain:+.1f} {marks.get(place, '')}".rstrip() if gain == gain else ""
        dark = abs(gain) > 0.6 * most
        axes.text(place[1], place[0], said, ha="center", va="center", fontsize=8, color="white" if dark else "black")
