import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from biasray.data import adapters
from biasray.data.decode import decode
from biasray.data.mnist import MNIST, read_idx

RNG = np.random.default_rng(0)
TRAIN, TEST = (RNG.integers(0, 256, (n, 28, 28), dtype=np.uint8) for n in (12, 5))
FILES = {
    "train-images": (TRAIN, 3),
    "train-labels": (np.arange(12) % 10, 1),
    "t10k-images": (TEST, 3),
    "t10k-labels": (np.arange(5), 1),
}


def idx(array: np.ndarray, magic: bytes | None = None) -> bytes:
    header = magic or bytes([0, 0, 8, array.ndim])
    return header + struct.pack(f">{array.ndim}I", *array.shape) + array.astype(np.uint8).tobytes()


def write(folder: Path, dot: str = "-", end: str = "", **changed: bytes) -> str:
    folder.mkdir(exist_ok=True)
    for stem, (array, axes) in FILES.items():
        data = changed.get(stem.replace("-", "_"), idx(array))
        (folder / f"{stem}{dot}idx{axes}-ubyte{end}").write_bytes(gzip.compress(data) if end else data)
    return str(folder)


@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize("dot", ["-", "."])
def test_both_spellings_of_the_files_are_read_gzipped_or_not(tmp_path: Path, dot: str, end: str) -> None:
    source = write(tmp_path / "mnist", dot, end)
    found = MNIST().index(source)
    assert (found.set_aside, found.noted) == ([], [])
    assert found.rows["id"].is_unique
    assert dict(found.rows["split"].value_counts()) == {"trainval": 12, "test": 5}
    by_id = found.rows.set_index("id")["digit"]
    assert (by_id["train-00011"], by_id["test-00004"]) == ("1", "4")
    np.testing.assert_array_equal(MNIST().reader(source)("train-00011"), TRAIN[11])
    np.testing.assert_array_equal(decode(MNIST().reader(source)("test-00004"), 28, "L")[..., 0], TEST[4])


def test_mnist_is_found_by_its_name() -> None:
    assert adapters()["mnist"] is MNIST
    assert (MNIST.target, MNIST.bias, MNIST.mode, MNIST.size) == ("digit", "colour", "L", 28)


@pytest.mark.parametrize("stem", FILES)
def test_a_missing_file_is_named(tmp_path: Path, stem: str) -> None:
    source = write(tmp_path / "mnist")
    next(Path(source).glob(f"{stem}*")).unlink()
    with pytest.raises(
        ValueError, match=rf"is not MNIST: it has no {stem}-idx\d-ubyte.gz .*give the folder of the four IDX files"
    ):
        MNIST().index(source)


def test_labels_out_of_range_are_set_aside_and_named(tmp_path: Path) -> None:
    labels = np.arange(12) % 10
    labels[[2, 7]] = 10, 255
    found = MNIST().index(write(tmp_path / "mnist", train_labels=idx(labels)))
    assert [(r.file, r.reason) for r in found.set_aside] == [
        ("train-00002", "label 10 is not 0 to 9"),
        ("train-00007", "label 255 is not 0 to 9"),
    ]
    assert len(found.rows) == 15
    assert not found.rows["id"].isin(["train-00002", "train-00007"]).any()


def test_unequal_numbers_of_images_and_labels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="12 train images but 11 labels; download both again"):
        MNIST().index(write(tmp_path / "mnist", train_labels=idx(np.zeros(11))))


BROKEN = {
    "wrong magic": idx(TRAIN, b"\0\0\x0d\x03"),
    "labels in place of images": idx(np.arange(12)),
    "cut short": idx(TRAIN)[:-1],
    "too long": idx(TRAIN) + b"\0",
    "no header": b"\0\0",
    "nothing": b"",
    "web page": b"<html>404: not found</html>",
}


@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_file_is_named_and_to_be_downloaded_again(tmp_path: Path, kind: str, end: str) -> None:
    source = write(tmp_path / "mnist", "-", end, train_images=BROKEN[kind])
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte.* cannot be read \(.*download it again"):
        MNIST().index(source)


@pytest.mark.parametrize("damage", ["not gzip", "cut short", "flipped header", "noise within", "flipped checksum"])
def test_a_damaged_gzip_file_is_named_and_to_be_downloaded_again(tmp_path: Path, damage: str) -> None:
    source = write(tmp_path / "mnist", "-", ".gz")
    file = Path(source) / "train-images-idx3-ubyte.gz"
    data = bytearray(file.read_bytes())
    if damage == "not gzip":
        data = bytearray(b"<html>404</html>")
    elif damage == "cut short":
        data = data[: len(data) // 2]
    elif damage == "noise within":
        data[10 : len(data) - 20] = bytes([255]) * (len(data) - 30)
    else:
        data[0 if damage == "flipped header" else -6] ^= 255
    file.write_bytes(data)
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte.gz cannot be read \(.*download it again"):
        MNIST().index(source)


def test_the_real_mnist_is_whole(shared: Path) -> None:
    found = MNIST().index(str(shared / "data" / "mnist"))
    assert dict(found.rows["split"].value_counts()) == {"trainval": 60_000, "test": 10_000}
    assert found.rows["digit"].value_counts().sort_index().tolist() == [
        6903,
        7877,
        6990,
        7141,
        6824,
        6313,
        6876,
        7293,
        6825,
        6958,
    ]
    digit = found.rows.set_index("id")["digit"]
    assert [digit[f"train-{i:05d}"] for i in range(5)] == ["5", "0", "4", "1", "9"]
    assert [digit[f"test-{i:05d}"] for i in range(5)] == ["7", "2", "1", "0", "4"]
    read_idx.cache_clear()
