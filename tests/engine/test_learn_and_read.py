from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from biasray.data.dataset import DataSet
from biasray.engine.attribute import SLICE, learn_all, read_all
from biasray.experiment import Compute
from tests.attribution.corners import corners
from tests.attribution.test_classifier import LEARNING

DATA, COMPUTE = corners(), Compute(device="cpu", threads=1)
ROWS = np.arange(2 * SLICE + 5)


@pytest.fixture(scope="module")
def folder(local_ray: None, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("regions")
    lessons = [replace(LEARNING, epochs=1), replace(LEARNING, epochs=1, checksum="other", seed=1)]
    folders = [str(out / name) for name in ("one", "other")]
    assert learn_all(lessons, DATA, folders, COMPUTE, str(out / "ray")) == {}
    assert learn_all(lessons, DATA, folders, COMPUTE, str(out / "ray")) == {}
    return folders[0]


def read(folder: str, scratch: Path, told: list[int], data: DataSet = DATA, rows: np.ndarray = ROWS) -> np.ndarray:
    learning, place = replace(LEARNING, epochs=1), str(scratch / "ray")
    return read_all(learning, folder, data, rows, "entropy", COMPUTE, place, told.append).region_NAA


def test_slices_that_are_there_are_not_read_again(folder: str, tmp_path: Path) -> None:
    told = list[int]()
    first = read(folder, tmp_path, told)
    assert sum(told) == len(ROWS) == len(first)
    kept = sorted(Path(folder).glob("maps/*/*.parquet"))
    assert len(kept) == 3
    kept[1].unlink()
    before = [file.stat().st_mtime_ns for file in (kept[0], kept[2])]
    assert (read(folder, tmp_path, told) == first).all()
    assert [file.stat().st_mtime_ns for file in (kept[0], kept[2])] == before
    assert kept[1].exists()


def test_maps_are_in_the_order_of_the_rows_and_need_no_labels(folder: str, tmp_path: Path) -> None:
    first = read(folder, tmp_path, [])
    unlabelled = replace(DATA, examples=DATA.examples.drop(columns="mark"), checksum="unlabelled")
    assert (read(folder, tmp_path, [], unlabelled, ROWS[::-1]) == first[::-1]).all()
