"""Plots of aligned and conflicting training examples by epoch, a panel a network, as SVG text."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from biasray.metrics.exposure import SIDES
from biasray.report import discovery, plots

ACROSS = 4  # panels in a row
Panels = Mapping[str, Sequence[Mapping[str, Sequence[float]]]]  # title -> by seed: name of the curve -> value by epoch


def found(histories: Mapping[str, Sequence[discovery.History]], train_TB: NDArray[np.int64]) -> str | None:
    """What networks that are to learn the bias get wrong and how much of it is conflicting, %; None where there is none."""
    panels = {
        f"{method}: {network}": [discovery.curves(history, network, train_TB) for history in seeds]
        for method, seeds in histories.items()
        for network in discovery.networks(seeds[0])
    }
    return _panels(panels, "%", 100) if panels else None


def losses(histories: Mapping[str, Sequence[discovery.History]]) -> str | None:
    """The loss of what each method predicts with, in its last stage; None where nothing was judged."""
    every = {method: [discovery.losses(history) for history in seeds] for method, seeds in histories.items()}
    judged = {method: seeds for method, seeds in every.items() if seeds[0][SIDES[0]]}
    return _panels(judged, "cross-entropy", 1) if judged else None


def _panels(shown: Panels, label: str, scale: float) -> str:
    across = min(len(shown), ACROSS)
    down = -(-len(shown) // across)
    with mpl.rc_context(plots.STYLE):
        figure = Figure(figsize=(8, 0.4 + 1.9 * down), layout="constrained")
        panels = figure.subplots(down, across, squeeze=False, sharey=scale == 100).flatten()
        for axes, (title, seeds) in zip(panels, shown.items(), strict=False):
            for name, shade in zip(seeds[0], plots.COLOURS, strict=False):
                plots.lines(axes, [[scale * v for v in s[name]] for s in seeds], shade, name)
            axes.set_title(title, fontsize=9)
            axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
            axes.set_ylim(0, 100 if scale == 100 else None)
        for axes in panels[len(shown) :]:
            axes.set_visible(False)
        for axes in panels[::across]:
            axes.set_ylabel(label)
        for axes in panels[max(0, len(shown) - across) : len(shown)]:
            axes.set_xlabel("epoch")
        plots.legend(figure, panels[0])
        return plots.svg(figure)
