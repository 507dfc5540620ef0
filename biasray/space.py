"""Search ranges, written beside the defaults: `eta: Annotated[float, Range(1e-3, 1e-1, log=True)] = 1e-2`."""

import math
import sys
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np


@dataclass(frozen=True)
class Range:
    low: float
    high: float
    log: bool = False

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


def ranges(config: type) -> dict[str, Range]:
    """The searchable fields of a Config class, by name."""
    hints = get_type_hints(config, include_extras=True)
    found = {f.name: [m for m in getattr(hints[f.name], "__metadata__", ()) if isinstance(m, Range)] for f in fields(config)}
    return {name: metadata[0] for name, metadata in found.items() if metadata}


def whole(config: type) -> set[str]:
    """The fields of a Config class that hold whole numbers."""
    return {name for name, hint in get_type_hints(config).items() if int in (hint, *get_args(hint))}


def draw(config: type, rng: np.random.Generator) -> dict[str, float]:
    """Every searchable field of a Config class, drawn evenly from its range, or evenly in its logarithm."""
    return {name: _drawn(r, name in whole(config), rng) for name, r in ranges(config).items()}


def _drawn(r: Range, is_whole: bool, rng: np.random.Generator) -> float:
    high = r.high + 1 if is_whole else r.high  # a whole number is cut off below
    value = math.exp(rng.uniform(math.log(r.low), math.log(high))) if r.log else rng.uniform(r.low, high)
    return min(int(value), int(r.high)) if is_whole else value


def settings(config: type, given: dict[str, Any], owner: str) -> Any:
    """An instance of a Config class with these fields; raises ValueError on one it does not have or cannot hold."""
    known, hints = [f.name for f in fields(config)], get_type_hints(config)
    for name, value in given.items():
        if name not in known:
            raise ValueError(f"{owner} has no setting '{name}'; it has: {', '.join(known) or 'none'}.")
        if not _fits(value, hints[name]):
            raise ValueError(f"Setting '{name}' of {owner} cannot be {value!r}; it is {_named(hints[name])}.")
    return config(**given)


def configured(kind: type, given: dict[str, Any], name: str) -> Any:
    """An instance of the Config beside a class in its module, with these fields; raises ValueError as `settings` does."""
    return settings(sys.modules[kind.__module__].Config, given, name)


def _fits(value: Any, hint: Any) -> bool:
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    kinds = set(get_args(hint) or (hint,))
    if float in kinds:
        kinds.add(int)
    return type(value) in kinds and not (isinstance(value, int | float) and not 0 <= value < math.inf)


def _named(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return " or ".join(get_args(hint))
    names = {int: "a whole number", float: "a number", str: "a word", bool: "true or false", type(None): "null"}
    return " or ".join(names.get(kind, str(kind)) for kind in get_args(hint) or (hint,)) + ", 0 or more"
