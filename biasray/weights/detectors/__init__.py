"""Detectors of the level of bias by name: each module here has some, in its DETECTORS."""

import sys
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Literal, get_args

from sklearn.pipeline import make_pipeline

from biasray.discovery import named, tabled
from biasray.networks.layout import Layout
from biasray.weights.chain import convolutions
from biasray.weights.fronts import Augmented, Canonical, Columns

Maker = Callable[[Layout, int], Any]  # of a scikit-learn classifier, from the layout of its rows and a seed
Layers = Literal["all", "conv"]
Front = Literal["none", "canonical", "augmented"]


@cache
def found() -> Mapping[str, Maker]:
    """All detectors by name."""
    return tabled(sys.modules[__name__], "DETECTORS")


def known(name: str) -> Maker:
    """The maker of this name; raises ValueError for one that there is not."""
    return named(found(), name, "detector")


def build(name: str, layout: Layout, seed: int, layers: Layers = "all", front: Front = "none") -> Any:
    """A detector of models with this layout, that reads all of their layers or the convolutions alone.

    Raises ValueError for a name that is unknown, and for a network whose layers are no chain.
    """
    assert front in get_args(Front)
    assert layers in get_args(Layers)
    steps = list[Any]()
    if layers == "conv":
        read, columns = convolutions(layout)
        steps.append(Columns(columns))
    else:
        read = layout
    if front == "canonical":
        steps.append(Canonical(read))
    made = make_pipeline(*steps, known(name)(read, seed))
    return Augmented(made, layout, seed=seed) if front == "augmented" else made
