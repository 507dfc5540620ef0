"""The floors, the style and the types that the README promises; and that the lower floors need no Ray."""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent


def run(*command: str) -> str:
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return "" if ended.returncode == 0 else ended.stdout + ended.stderr


def test_imports_point_down() -> None:
    assert run(str(BIN / "lint-imports"), "--no-cache") == ""


def test_every_module_below_the_engine_is_in_the_import_contracts() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = {part.strip() for layer in contracts[0]["layers"] for part in layer.split("|")}
    modules = {f"biasray.{p.stem}" for p in (ROOT / "biasray").iterdir() if not p.name.startswith("_")}
    assert layers == modules | {"pipelines"}
    assert set(contracts[1]["source_modules"]) == modules - {"biasray.engine"}


def test_types_hold() -> None:
    assert run(sys.executable, "-m", "mypy") == ""


def test_style_holds() -> None:
    assert run(str(BIN / "ruff"), "check", "--no-cache", ".") == ""
    assert run(str(BIN / "ruff"), "format", "--no-cache", "--check", ".") == ""


def test_all_below_the_engine_runs_without_ray_and_mlflow() -> None:
    """A process in which neither can be imported trains a cell and draws a report."""
    code = """
import sys, tempfile
for name in ("ray", "mlflow"):
    sys.modules[name] = None
import importlib, pkgutil, torch, biasray
for info in pkgutil.walk_packages(biasray.__path__, "biasray."):
    if not info.name.startswith("biasray.engine"):
        importlib.import_module(info.name)
from biasray import cell, data
from biasray.bias.task import Task
from biasray.experiment import Training, resolved
digits = data.load("digits")
cpu = torch.device("cpu")
one = resolved(Task(data="digits", agreement=0.9), Training(epochs=1), digits, "erm", {}, "smoke", 0, cpu)
cell.run(one, digits, tempfile.mkdtemp(), cpu)
"""
    assert run(sys.executable, "-c", code) == ""


def test_no_file_is_past_400_lines() -> None:
    long = [p for p in ROOT.rglob("*.py") if ".venv" not in p.parts and len(p.read_text().splitlines()) > 400]
    assert long == []
