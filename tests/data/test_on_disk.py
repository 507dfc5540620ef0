import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from biasray import data
from biasray.data import on_disk as module
from biasray.data.on_disk import on_disk
from tests.training import forked


class Usage(NamedTuple):
    free: int


DIGITS = data.load("digits")
ROWS = np.arange(len(DIGITS.examples))


@pytest.fixture(autouse=True)
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(module, "CHUNK", 100_000)  # so that the images come in many parts
    return tmp_path / f"biasray-{os.getuid()}"


def test_images_on_disk_are_the_images_in_their_order() -> None:
    found = on_disk(DIGITS)
    assert found.on_disk
    assert found.store is not None
    assert not found.store.flags.writeable
    np.testing.assert_array_equal(found.store, DIGITS.images(ROWS))


def test_images_that_are_read_in_another_order_lie_in_that_of_the_examples() -> None:
    shuffled, asked = np.random.default_rng(0).permutation(ROWS), list[int]()

    def images(rows_N: np.ndarray) -> np.ndarray:
        asked.extend(rows_N)
        return DIGITS.images(rows_N)

    found = on_disk(replace(DIGITS, images=images, reading=shuffled))
    np.testing.assert_array_equal(found.store, DIGITS.images(ROWS))
    assert asked == list(shuffled)


def test_processes_of_a_machine_write_one_file_between_them(tmp_path: Path, disk: Path) -> None:
    asked = tmp_path / "asked"

    def images(rows_N: np.ndarray) -> np.ndarray:
        with asked.open("a") as file:
            file.write("".join(f"{row}\n" for row in rows_N))
        return DIGITS.images(rows_N)

    def job(rank: int) -> None:
        np.testing.assert_array_equal(on_disk(replace(DIGITS, images=images)).store, DIGITS.images(ROWS))

    assert forked(3, job)
    assert [int(row) for row in asked.read_text().split()] == list(ROWS)
    assert sorted(p.suffix for p in disk.iterdir()) == [".images", ".lock"]


def test_a_writer_that_was_killed_leaves_nothing_that_is_taken_for_the_whole() -> None:
    def dies(rows_N: np.ndarray) -> np.ndarray:
        if rows_N[0]:
            os._exit(9)
        return DIGITS.images(rows_N)

    assert not forked(1, lambda _: on_disk(replace(DIGITS, images=dies)) and None)
    np.testing.assert_array_equal(on_disk(DIGITS).store, DIGITS.images(ROWS))


def test_what_a_killed_writer_left_does_not_take_the_room_of_the_next(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk.mkdir()
    left = disk / f"{DIGITS.checksum}.images.part"
    left.write_bytes(b"much")
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: Usage(free=0 if left.exists() else DIGITS.size))
    assert on_disk(DIGITS).on_disk


def test_a_disk_without_room_is_told_before_anything_is_read(disk: Path) -> None:
    vast = replace(DIGITS, shape=(3, 10**6, 10**6), images=lambda _: pytest.fail("read"))
    with pytest.raises(
        ValueError, match=r"^The images of digits take 5391000\.0 GB, which neither memory nor the disk .*TMPDIR"
    ):
        on_disk(vast)
    assert not list(disk.glob("*.images"))


def test_a_disk_that_fills_up_meanwhile_is_told_and_keeps_no_part(disk: Path) -> None:
    def full(rows_N: np.ndarray) -> np.ndarray:
        raise OSError(28, "No space left on device")

    with pytest.raises(ValueError, match=r"^Cannot write the images of digits to .*: No space left on device\.$"):
        on_disk(replace(DIGITS, images=full))
    assert [p.suffix for p in disk.iterdir()] == [".lock"]
