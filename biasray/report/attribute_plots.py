"""Plots of region classifiers, as SVG text. Axes: N image, E example, V value, H W pixel, C channel, S bin, A place."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from biasray.attribution.regions import normalised
from biasray.data.dataset import Images
from biasray.report.attribute_rows import Mapped
from biasray.report.plots import COLOURS, STYLE, svg

HEAT, MOST = "inferno", 6  # colours of a map; mean maps by value beside that of all
Floats = NDArray[np.float64]


def means(found: Sequence[Mapped], face_HWC: Floats) -> str:
    """A row an attribute: its mean region map, its mean pixel map over the mean image, and that of the images of each value."""
    across = 2 + max(min(len(one.names), MOST) for one in found)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(1.25 * across, 1.5 * len(found)), layout="constrained")
        for panels, one in zip(figure.subplots(len(found), across, squeeze=False), found, strict=True):
            panels[0].imshow(one.region_NAA.mean(0), cmap=HEAT)
            panels[0].set_title(f"{one.attribute}, places", fontsize=7)
            _over(panels[1], face_HWC, one.pixel_NHW.mean(0), f"all, n = {len(one.pixel_NHW):,}")
            for axes, (k, name) in zip(panels[2:], enumerate(one.names[:MOST]), strict=False):
                mine_NHW = one.pixel_NHW[one.code_N == k]
                if len(mine_NHW):
                    _over(axes, face_HWC, mine_NHW.mean(0), f"{name}, n = {len(mine_NHW):,}")
            for axes in panels:
                axes.axis("off")
        return svg(figure)


def examples(found: Sequence[Mapped], image_EHWC: Images) -> str:
    """The first images, and under each how sure the classifier of each attribute is where."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(1.05 * len(image_EHWC), 1.1 * (1 + len(found))), layout="constrained")
        panels = figure.subplots(1 + len(found), len(image_EHWC), squeeze=False)
        for column, image_HWC in enumerate(image_EHWC):
            shown_HWC = image_HWC / 255
            panels[0, column].imshow(shown_HWC.squeeze(), cmap="gray", vmin=0, vmax=1)
            for axes, one in zip(panels[1:, column], found, strict=True):
                _over(axes, shown_HWC, one.pixel_NHW[column], one.attribute if not column else "")
        for axes in panels.flat:
            axes.axis("off")
        return svg(figure)


def _over(axes: Axes, image_HWC: Floats, map_HW: Floats, title: str) -> None:
    """A map, stretched to [0, 1], over a grey image."""
    axes.imshow(image_HWC.mean(2), cmap="gray", vmin=0, vmax=1)
    axes.imshow(normalised(map_HW), cmap=HEAT, alpha=0.6, vmin=0, vmax=1)
    axes.set_title(title, fontsize=7)


def reliabilities(found: Sequence[Mapped]) -> str:
    """How often patches are right by how sure they are, and below how many are so sure; '' where no image has a label."""
    known = [(one, one.code_N >= 0) for one in found if (one.code_N >= 0).any()]
    if not known:
        return ""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(2.6 * len(known), 3.2), layout="constrained")
        panels = figure.subplots(2, len(known), squeeze=False, height_ratios=(3, 1), sharex=True, sharey="row")
        for (upper, lower), (one, known_N) in zip(panels.T, known, strict=True):
            n_S, confidence_S, right_S = (part_NS[known_N].sum(0) for part_NS in one.sure)
            some_S = n_S > 0
            middle_S = confidence_S[some_S] / n_S[some_S]
            upper.plot([0, 1], [0, 1], color="#888888", lw=1, ls=":")
            upper.plot(middle_S, right_S[some_S] / n_S[some_S], color=COLOURS[0], lw=1.2)
            upper.set_title(one.attribute, fontsize=9)
            lower.bar(middle_S, n_S[some_S] / n_S.sum(), 0.01, color=COLOURS[0])
            lower.set_xlabel("confidence")
        panels[0, 0].set_ylabel("share right")
        panels[1, 0].set_ylabel("patches")
        return svg(figure)
