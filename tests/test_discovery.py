"""Adding a module is all that it takes to add a method."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from biasray.contract import Method
from biasray.discovery import discover

BASE = "from biasray.contract import Method\n"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    (tmp_path / "plugged").mkdir()
    (tmp_path / "plugged" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("plugged")
    for name in [name for name in sys.modules if name.split(".")[0] == "plugged"]:
        del sys.modules[name]


def write(package: ModuleType, name: str, body: str) -> None:
    (Path(package.__path__[0]) / f"{name}.py").write_text(BASE + body)
    importlib.invalidate_caches()


CLASS = "class {}(Method):\n    def __init__(self): ...\n    def stages(self): ...\n    def predict(self, x): ...\n"


def test_concrete_classes_are_found_by_module_name_with_dashes(package: ModuleType) -> None:
    write(package, "two_words", CLASS.format("Second"))
    write(package, "first", CLASS.format("First"))
    write(package, "user", "from plugged.first import First\n")  # imported, not defined
    write(package, "abstract", "class Half(Method):\n    def stages(self): ...\n")
    found = discover(package, Method)
    assert [(name, kind.__name__) for name, kind in found.items()] == [("first", "First"), ("two-words", "Second")]


def test_a_module_that_does_not_import_is_raised(package: ModuleType) -> None:
    write(package, "broken", "import no_such_module_anywhere\n")
    with pytest.raises(ModuleNotFoundError, match="no_such_module_anywhere"):
        discover(package, Method)


def test_two_classes_in_a_module_are_refused(package: ModuleType) -> None:
    write(package, "crowd", CLASS.format("One") + CLASS.format("Two"))
    with pytest.raises(AssertionError, match=r"plugged\.crowd defines two of Method"):
        discover(package, Method)
