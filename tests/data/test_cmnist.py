import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from biasray.data import adapters, importing
from biasray.data.cmnist import CMNIST


def png(seed: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (28, 28, 3), dtype=np.uint8)).save(out, "PNG")
    return out.getvalue()


def write(top: Path, valid: str = "flat") -> str:
    """cmnist/1pct and cmnist/test: of each digit three aligned, one conflicting, one validation and two test images."""
    source, seed = top / "cmnist" / "1pct", 0
    for digit in range(10):
        other = (digit + 3) % 10
        files = [source / "align" / str(digit) / f"{k}_{digit}_{digit}.png" for k in range(3)]
        files += [source / "conflict" / str(digit) / f"0_{digit}_{other}.png"]
        files += [top / "cmnist" / "test" / str(digit) / f"{k}_{digit}_{(digit + k) % 10}.png" for k in range(2)]
        if valid:
            folder = source / "valid" / (str(digit) if valid == "by digit" else "")
            files += [folder / f"{digit}_{digit}_{other}.png"]
        for file in files:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(png(seed := seed + 1))
    return str(source)


@pytest.mark.parametrize(("valid", "name"), [("flat", "valid/7_7_0.png"), ("by digit", "valid/7/7_7_0.png")])
def test_digit_colour_and_split_are_those_of_the_folders(tmp_path: Path, valid: str, name: str) -> None:
    found = CMNIST().index(write(tmp_path, valid))
    assert (found.set_aside, found.noted) == ([], [])
    assert found.rows["split"].value_counts().to_dict() == {"train": 40, "validation": 10, "test": 20}
    rows = found.rows.set_index("id")
    assert list(rows.loc["align/4/2_4_4.png"]) == ["4", "4", "train"]
    assert list(rows.loc["conflict/9/0_9_2.png"]) == ["9", "2", "train"]
    assert list(rows.loc["test/9/1_9_0.png"]) == ["9", "0", "test"]
    assert list(rows.loc[name]) == ["7", "0", "validation"]


def test_without_valid_training_is_divided(tmp_path: Path) -> None:
    rows = CMNIST().index(write(tmp_path, valid="")).rows
    assert rows["split"].value_counts().to_dict() == {"trainval": 40, "test": 20}


def test_images_come_from_the_source_and_tests_from_beside_it(tmp_path: Path) -> None:
    source, out = write(tmp_path), str(tmp_path / "out")
    rows = CMNIST().index(source).rows
    shard = importing.make_shard(CMNIST(), source, rows, 0, 28, out)
    assert (shard.rows, shard.set_aside) == (70, [])
    images = importing.images_of(importing.read_shard(out, shard.file, images=True), (3, 28, 28))
    for image, name in zip(images, rows["id"], strict=True):
        file = (tmp_path / "cmnist" if name.startswith("test") else Path(source)) / name
        np.testing.assert_array_equal(image, np.asarray(Image.open(file)))


def test_names_without_labels_and_images_in_the_wrong_folder_are_set_aside(tmp_path: Path) -> None:
    source = Path(write(tmp_path))
    for name in ("align/3/9_3_4.png", "conflict/3/9_3_3.png", "valid/image.png"):
        (source / name).write_bytes(png(99))
    (source / "align/3/readme.txt").touch()
    found = CMNIST().index(str(source))
    assert {r.file: r.reason for r in found.set_aside} == {
        "align/3/9_3_4.png": "digit 3 with colour 4 does not belong in align",
        "conflict/3/9_3_3.png": "digit 3 with colour 3 does not belong in conflict",
        "valid/image.png": "its name does not end in _DIGIT_COLOUR.png",
    }
    assert len(found.rows) == 70


@pytest.mark.parametrize("wrong", ["", "nowhere", "test"])
def test_another_folder_is_refused_with_which_to_give(tmp_path: Path, wrong: str) -> None:
    write(tmp_path)
    with pytest.raises(ValueError, match=r"holds no images; give one of the folders 0.5pct, 1pct, 2pct or 5pct, with test"):
        CMNIST().index(str(tmp_path / "cmnist" / wrong))


def test_cmnist_is_found_by_its_name() -> None:
    assert adapters()["cmnist"] is CMNIST
    assert (CMNIST.target, CMNIST.bias, CMNIST.mode, CMNIST.size) == ("digit", "colour", "RGB", 28)
