"""Finding the classes that a package's modules define, so that adding one touches one file."""

import importlib
import inspect
import pkgutil
from types import ModuleType
from typing import TypeVar

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
