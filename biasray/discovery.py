"""Finding what a package's modules define, so that adding one touches one file."""

import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from types import ModuleType
from typing import Any, TypeVar

T = TypeVar("T")


def discover(package: ModuleType, base: type[T]) -> dict[str, type[T]]:
    """Concrete subclasses of `base` by their module's name with dashes, sorted; an import error is raised."""
    found: dict[str, type[T]] = {}
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda info: info.name):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        for value in vars(module).values():
            if (
                inspect.isclass(value)
                and issubclass(value, base)
                and not inspect.isabstract(value)
                and value.__module__ == module.__name__
            ):
                name = info.name.replace("_", "-")
                assert name not in found, f"{module.__name__} defines two of {base.__name__}"
                found[name] = value
    return found


def named(found: Mapping[str, T], name: str, kind: str) -> T:
    """One of them by name; raises ValueError where there is none."""
    if name not in found:
        raise ValueError(f"Unknown {kind} '{name}'; choose from {', '.join(found)}.")
    return found[name]


def tabled(package: ModuleType, table: str) -> dict[str, Any]:
    """What each module has in its table of this name, all together, in the order of the modules' names."""
    found: dict[str, Any] = {}
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda info: info.name):
        found |= getattr(importlib.import_module(f"{package.__name__}.{info.name}"), table)
    return found
