"""Debiasing methods: one module per paper, found by discovery."""

import dataclasses
from collections.abc import Callable
from functools import cache
from typing import Any

from torch import nn

import biasray.methods
from biasray import space
from biasray.contract import Labels, Method
from biasray.discovery import discover, named


@cache
def found() -> dict[str, type[Method]]:
    """All methods by name."""
    return discover(biasray.methods, Method)  # type: ignore[type-abstract]


def debiasing() -> list[str]:
    """Names of all methods but those that only show what could be reached."""
    return [name for name, kind in found().items() if not kind.reference]


def informed(name: str) -> bool:
    """Whether a method is told the bias labels of training examples, as targets of its own or beside them."""
    return bool(get(name).needs & {"bias", "secondary"})


def get(name: str) -> type[Method]:
    return named(found(), name, "method")


def config(name: str, given: dict[str, Any]) -> Any:
    """The Config of a method with these fields; raises ValueError on a field that it does not have."""
    return space.configured(get(name), given, name)


def build(name: str, make: Callable[[int], nn.Module], labels: Labels, settings: dict[str, Any], epochs: int) -> Method:
    """A method ready for the loop. It is told of the bias only what it declares that it needs."""
    kind = get(name)
    if "bias" not in kind.needs:
        labels = dataclasses.replace(labels, bias_N=None, biases=0)
    if "secondary" not in kind.needs:
        labels = dataclasses.replace(labels, secondary=None)
    return kind(make, labels, config(name, settings), epochs)
