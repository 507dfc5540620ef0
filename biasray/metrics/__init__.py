"""Metrics by name. A function marked `@metric` in any module of this package is reported; nothing else to change."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache

import biasray.metrics
from biasray.metrics.counts import METRICS, Metric


@cache
def found() -> Mapping[str, Metric]:
    """All metrics of classification, by name."""
    for info in pkgutil.iter_modules(biasray.metrics.__path__):
        importlib.import_module(f"biasray.metrics.{info.name}")
    return METRICS
