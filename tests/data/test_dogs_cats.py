import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from biasray.data import adapters


def write(folder: Path, n: int = 4) -> str:
    """Cats and dogs in turn, ever brighter in the middle, on a white ground."""
    (folder / "train").mkdir(parents=True)
    for k in range(n):
        image = np.full((40, 40, 3), 255, np.uint8)
        image[10:30, 10:30] = 20 + 40 * k
        Image.fromarray(image).save(folder / "train" / f"{('cat', 'dog')[k % 2]}.{k}.jpg")
    return str(folder)


def brightness(source: str) -> dict[str, str]:
    rows = adapters()["dogs-cats"]().index(source).rows
    return dict(zip(rows["id"], rows["brightness"], strict=True))


def test_brightness_is_measured_where_no_list_tells_it(tmp_path: Path) -> None:
    found = brightness(write(tmp_path))
    assert found == {
        "train/cat.0.jpg": "dark", "train/cat.2.jpg": "bright", "train/dog.1.jpg": "dark", "train/dog.3.jpg": "bright",
    }  # fmt: skip


def test_lists_are_believed_and_what_they_leave_out_is_set_aside(tmp_path: Path) -> None:
    source = write(tmp_path)
    (tmp_path / "list_bright.txt").write_text("train/cat.0.jpg\ndog.1.jpg\n")
    (tmp_path / "list_dark.txt").write_text("dog.3.jpg")
    found = adapters()["dogs-cats"]().index(source)
    assert dict(zip(found.rows["id"], found.rows["brightness"], strict=True)) == {
        "train/cat.0.jpg": "bright", "train/dog.1.jpg": "bright", "train/dog.3.jpg": "dark",
    }  # fmt: skip
    assert found.set_aside == [("train/cat.2.jpg", "in neither list")]
    (tmp_path / "list_dark.txt").unlink()
    with pytest.raises(ValueError, match=r"has only one of list_bright.txt and list_dark.txt"):
        brightness(source)


def test_an_image_that_cannot_be_read_is_set_aside(tmp_path: Path) -> None:
    source = write(tmp_path)
    (tmp_path / "train/cat.9.jpg").write_text("not an image")
    assert adapters()["dogs-cats"]().index(source).set_aside == [("train/cat.9.jpg", "no image")]


def test_what_is_not_dogs_and_cats_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds no cat.N.jpg or dog.N.jpg"):
        brightness(str(tmp_path))


def test_half_of_the_real_animals_are_bright(shared: Path, tmp_path: Path) -> None:
    with tarfile.open(shared / "data/dogs_cats/dogs_cats_600.tar") as tar:
        tar.extractall(tmp_path, filter="data")
    rows = adapters()["dogs-cats"]().index(str(tmp_path)).rows
    assert rows["animal"].value_counts().to_dict() == {"cat": 300, "dog": 300}
    assert abs((rows["brightness"] == "bright").mean() - 0.5) < 0.01
    assert rows.groupby("animal")["brightness"].value_counts().min() > 100
