"""Data sets: built-in ones and adapters are found by discovery; `load` gives either as one kind of table."""

from functools import cache

import biasray.data
from biasray import storage
from biasray.data.adapter import Adapter, BuiltIn
from biasray.data.dataset import DataSet
from biasray.data.imported import MANIFEST, open_imported
from biasray.discovery import discover


@cache
def adapters() -> dict[str, type[Adapter]]:
    return discover(biasray.data, Adapter)  # type: ignore[type-abstract]


@cache
def built_in() -> dict[str, type[BuiltIn]]:
    return discover(biasray.data, BuiltIn)  # type: ignore[type-abstract]


def load(name: str) -> DataSet:
    """A built-in data set by name, or an imported one by folder or URI."""
    if name in built_in():
        return built_in()[name]().load()
    if storage.exists(storage.join(name, MANIFEST)):
        return open_imported(name)
    if storage.exists(name):
        raise ValueError(
            f"{name} holds no {MANIFEST}, so it is not (or not yet wholly) imported; "
            f"run `python -m pipelines.import_data NAME --source ... --out {name}`."
        )
    raise ValueError(
        f"There is no data set '{name}': give a built-in one ({', '.join(built_in())}) or the folder of an imported one."
    )
