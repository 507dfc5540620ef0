import os
import subprocess
import sys
import tempfile
import uuid
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from biasray import cell, storage
from biasray.engine import cells, fan_out, work
from biasray.engine.cells import Status, run_cells
from biasray.engine.work import LOST
from biasray.experiment import Compute
from tests.engine import losing_a_node
from tests.engine.cells import DIGITS, folders, in_process, kill_a_worker, make, probabilities


@pytest.mark.usefixtures("local_ray")
def test_cells_side_by_side_predict_bit_for_bit_what_they_do_alone_even_after_a_lost_worker(tmp_path: Path) -> None:
    cells = [make(method, seed, epochs=30) for method in ("erm", "lff") for seed in (0, 1)]
    ended, killed = list[int](), list[bool]()

    def kill(status: Status) -> None:
        if status.done and not any(killed):
            killed.append(kill_a_worker("_Inner.train"))

    failed = run_cells(
        cells, DIGITS, folders(tmp_path, cells), Compute(), str(tmp_path / "ray"), kill, ended.append, save_seconds=0.2
    )
    assert failed == {}
    assert any(killed), "nothing was killed"
    assert sorted(ended) == [0, 1, 2, 3]
    assert not (tmp_path / "ray").exists()
    for number in (0, 3):
        alone = in_process(cells[number], tmp_path / "alone" / str(number))
        assert cell.predictions(folders(tmp_path, cells)[number]).equals(alone)


@pytest.mark.usefixtures("local_ray")
def test_a_cell_that_fails_is_told_in_one_sentence_and_stops_no_other(tmp_path: Path) -> None:
    cells = [make("erm", 0, lr=1e30), make("erm", 1)]
    failed = run_cells(cells, DIGITS, folders(tmp_path, cells), Compute(), str(tmp_path / "ray"))
    assert list(failed) == [0]
    assert "is not finite" in failed[0]
    assert "\n" not in failed[0]
    assert len(cell.predictions(folders(tmp_path, cells)[1]))


@pytest.mark.usefixtures("local_ray")
def test_a_cell_whose_worker_is_lost_too_often_is_told_in_one_sentence_and_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fan_out, "RETRIES", 0)
    cells, killed = [make("erm", seed, epochs=60) for seed in (0, 1)], list[bool]()

    def kill(status: Status) -> None:
        if status.done and not any(killed):
            killed.append(kill_a_worker("_Inner.train"))

    failed = run_cells(cells, DIGITS, folders(tmp_path, cells), Compute(), str(tmp_path / "ray"), kill)
    assert any(killed), "nothing was killed"
    assert list(failed.values()) == [LOST]
    assert "\n" not in LOST
    (kept,) = {0, 1} - set(failed)
    assert len(cell.predictions(folders(tmp_path, cells)[kept]))


def test_a_finished_cell_is_not_run_again(tmp_path: Path) -> None:
    one = make("erm")
    in_process(one, tmp_path / "erm-0")
    ended = list[int]()
    ticks = list[Status]()
    run_cells([one], DIGITS, folders(tmp_path, [one]), Compute(), str(tmp_path / "ray"), ticks.append, ended.append)
    assert ended == [0]
    assert not ticks


@pytest.mark.usefixtures("local_ray")
def test_more_workers_than_the_cluster_has_are_refused_at_once(tmp_path: Path) -> None:
    one = make("erm")
    with pytest.raises(ValueError, match="--workers 3 with 1 CPU each is more than there is: 2 CPUs, room for 2"):
        run_cells([one], DIGITS, folders(tmp_path, [one]), Compute(workers=3), str(tmp_path / "ray"))


@pytest.mark.usefixtures("local_ray")
@pytest.mark.parametrize("number", [1, 2])
def test_images_that_memory_cannot_hold_are_put_on_disk_once_and_trained_on_all_the_same(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vast = replace(DIGITS, checksum=uuid.uuid4().hex)  # a file of its own, whoever else tests on this machine
    kept = Path(tempfile.gettempdir(), f"biasray-{os.getuid()}", f"{vast.checksum}.images")
    monkeypatch.setattr(work, "shared_memory", lambda: 1e6)
    monkeypatch.setattr(cells, "memory", lambda: 2e6)
    some = [make("lff", seed) for seed in range(number)]  # a single one is trained in this process
    with pytest.warns(UserWarning, match=r"The images of digits take 0\.0 GB and memory has room for 0\.0 GB"):
        assert not run_cells(some, vast, folders(tmp_path, some), Compute(threads=1), str(tmp_path / "ray"))
    assert kept.stat().st_size == DIGITS.size
    kept.unlink()
    Path(f"{kept}.lock").unlink()
    alone = in_process(some[-1], tmp_path / "alone")
    assert cell.predictions(folders(tmp_path, some)[-1]).equals(alone)


@pytest.mark.parametrize("told", [[], ["--notice"]])
def test_a_training_whose_node_is_lost_goes_on_with_the_worker_that_is_left_to_the_same_end(
    told: list[str], tmp_path: Path
) -> None:
    line = [sys.executable, "-m", "tests.engine.losing_a_node", str(tmp_path), *told]
    soon = {**os.environ, "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "5"}  # a minute is for machines that start
    ended = subprocess.run(line, cwd=Path(__file__).parents[2], env=soon, capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    folder = folders(tmp_path, [losing_a_node.CELL])[0]
    assert storage.read_json(f"{folder}/{cell.DONE}")["made"]["workers"] == 1
    alone = in_process(losing_a_node.CELL, tmp_path / "alone")
    assert np.abs(probabilities(cell.predictions(folder)) - probabilities(alone)).max() < 1e-9


@pytest.mark.usefixtures("local_ray")
def test_two_workers_of_ray_train_do_what_one_does_even_after_one_was_lost(tmp_path: Path) -> None:
    """To 1e-9 in float64. (That every method does so on two workers, test_loop.py shows without Ray's start-up time.)"""
    cells = [make("jtt", epochs=8, precision="float64")]
    killed, seen = list[bool](), list[Status]()

    def kill(status: Status) -> None:
        seen.append(status)
        if status.done > 0.6 * status.total and not any(killed):
            killed.append(kill_a_worker("RayTrainWorker"))

    failed = run_cells(
        cells, DIGITS, folders(tmp_path, cells), Compute(workers=2), str(tmp_path / "ray"), kill, save_seconds=0.2
    )
    assert failed == {}
    assert any(killed), "nothing was killed"
    images = seen[-1].total * (DIGITS.examples["split"] == "train").sum()
    assert seen[-1].images < 1.2 * images, "it began anew"
    for one, folder in zip(cells, folders(tmp_path, cells), strict=True):
        alone = in_process(one, tmp_path / "alone" / one.method)
        both = cell.predictions(folder)
        assert both[["id", "target", "bias"]].equals(alone[["id", "target", "bias"]])
        assert np.abs(probabilities(both) - probabilities(alone)).max() < 1e-9
