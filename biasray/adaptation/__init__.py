"""Methods that adapt a classifier to images without labels: one module per paper, found by discovery."""

from collections.abc import Callable
from functools import cache
from typing import Any

from torch import nn

import biasray.adaptation
from biasray import space
from biasray.contract import Labels, Method
from biasray.discovery import discover, named


@cache
def found() -> dict[str, type[Method]]:
    """All adaptation methods by name."""
    return discover(biasray.adaptation, Method)  # type: ignore[type-abstract]


def get(name: str) -> type[Method]:
    return named(found(), name, "adaptation")


def config(name: str, given: dict[str, Any]) -> Any:
    """The Config of a method with these fields; raises ValueError on a field that it does not have."""
    return space.configured(get(name), given, name)


def build(name: str, make: Callable[[int], nn.Module], labels: Labels, settings: dict[str, Any], epochs: int) -> Method:
    """A method ready for the loop; `make` gives a network with the start model's weights."""
    return get(name)(make, labels, config(name, settings), epochs)
