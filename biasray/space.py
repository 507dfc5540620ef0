"""Search ranges, written beside the defaults: `eta: Annotated[float, Range(1e-3, 1e-1, log=True)] = 1e-2`."""

from dataclasses import dataclass, fields
from typing import Any, get_args, get_type_hints


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


def settings(config: type, given: dict[str, Any], owner: str) -> Any:
    """An instance of a Config class with these fields; raises ValueError on one it does not have or cannot hold."""
    known, hints = [f.name for f in fields(config)], get_type_hints(config)
    for name, value in given.items():
        if name not in known:
            raise ValueError(f"{owner} has no setting '{name}'; it has: {', '.join(known) or 'none'}.")
        kinds = set(get_args(hints[name]) or (hints[name],))
        if float in kinds:
            kinds.add(int)
        if type(value) not in kinds or (isinstance(value, int | float) and value < 0):
            raise ValueError(f"Setting '{name}' of {owner} cannot be {value!r}; it is {_named(hints[name])}, 0 or more.")
    return config(**given)


def _named(hint: Any) -> str:
    names = {int: "a whole number", float: "a number", str: "a word", bool: "true or false", type(None): "null"}
    return " or ".join(names.get(kind, str(kind)) for kind in get_args(hint) or (hint,))
