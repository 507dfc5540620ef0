"""Plots of aligned and conflicting training examples by epoch, a panel a network, as SVG text."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from biasray.metrics.exposure import SIDES
from biasray.report import discovery, plots

COLOURS = dict(zip(SIDES, plots.COLOURS, strict=False))
ACROSS = 4  # panels in a row
Panels = Mapping[str, Sequence[Mapping[str, Sequence[float]]]]  # title -> by seed: side -> value by epoch


def errors(histories: Mapping[str, Sequence[discovery.History]]) -> str | None:
    """What networks that are to learn the bias get wrong, %; None where there is none."""
    found = {
        f"{method}: {network}": [discovery.errors(history, network) for history in seeds]
        for method, seeds in histories.items()
        for network in discovery.networks(seeds[0])
    }
    return _panels(found, "error rate, %", 100) if found else None


def losses(histories: Mapping[str, Sequence[discovery.History]]) -> str | None:
    """The loss of what each method predicts with, in its last stage; None where nothing was judged."""
    found = {method: [discovery.losses(history) for history in seeds] for method, seeds in histories.items()}
    judged = {method: seeds for method, seeds in found.items() if seeds[0][SIDES[0]]}
    return _panels(judged, "cross-entropy", 1) if judged else None


def _panels(found: Panels, label: str, scale: float) -> str:
    across = min(len(found), ACROSS)
    down = -(-len(found) // across)
    with mpl.rc_context(plots.STYLE):
        figure = Figure(figsize=(8, 0.4 + 1.9 * down), layout="constrained")
        panels = figure.subplots(down, across, squeeze=False, sharey=scale == 100).flatten()
        for axes, (title, seeds) in zip(panels, found.items(), strict=False):
            for side, shade in COLOURS.items():
                plots.lines(axes, [[scale * v for v in s[side]] for s in seeds], shade, side)
            axes.set_title(title, fontsize=9)
            axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
            axes.set_ylim(0, 100 if scale == 100 else None)
        for axes in panels[len(found) :]:
            axes.set_visible(False)
        for axes in panels[::across]:
            axes.set_ylabel(label)
        for axes in panels[max(0, len(found) - across) : len(found)]:
            axes.set_xlabel("epoch")
        plots.legend(figure, panels[0])
        return plots.svg(figure)
