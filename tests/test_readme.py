import re
import sys
import types
from pathlib import Path

import torch

from biasray.contract import Method
from biasray.loop import Place, Plan, train
from biasray.recipe import Recipe
from biasray.space import ranges
from tests.training import CLASSES, labels, linear, table

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_the_method_in_the_readme_trains(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    module = types.ModuleType("smooth")
    sys.modules["smooth"] = module  # dataclasses look their module up
    exec(code, module.__dict__)
    (kind,) = [v for v in vars(module).values() if isinstance(v, type) and issubclass(v, Method) and v is not Method]
    assert list(ranges(module.Config)) == ["epsilon"]
    tables = {"train": table(60, 0), "validation": table(20, 1)}
    told = labels(tables)
    build = lambda: kind(linear, told, module.Config(), 5)  # noqa: E731
    method, history = train(build, tables, Plan(recipe=Recipe(batch=16), seed=0), Place(folder=str(tmp_path)))
    assert history[-1]["losses"]["network"] < history[0]["losses"]["network"]
    assert method.predict(torch.zeros(2, 3, 16, 16)).shape == (2, CLASSES)


def test_the_commands_of_the_readme_are_those_that_ci_runs() -> None:
    ci = (Path(__file__).parents[1] / ".ci/run").read_text()
    assert "pip install -q uv && uv run pytest" in README
    assert "pip install -q uv && uv run pytest" in ci


def test_the_map_names_every_place() -> None:
    root = Path(__file__).parents[1]
    for place in sorted((root / "biasray").iterdir()):
        if not place.name.startswith("_"):
            assert place.name.removesuffix(".py") in README, f"{place.name} is not on the README's map"
