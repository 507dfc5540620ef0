from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from biasray.data import adapters

ROWS = [("000001.jpg", "1 -1", "0"), ("000002.jpg", "-1 1", "0"), ("000003.jpg", "1 1", "1"), ("000004.jpg", "-1 -1", "2")]


def write(folder: Path, csv: bool, twice: bool = False, images: int = 4) -> str:
    inside = folder / "img_align_celeba" / ("img_align_celeba" if twice else "")
    inside.mkdir(parents=True)
    for name, *_ in ROWS[:images]:
        Image.fromarray(np.full((22, 18, 3), 90, np.uint8)).save(inside / name)
    if csv:
        lines = [f"{name},{values.replace(' ', ',')}" for name, values, _ in ROWS]
        (folder / "list_attr_celeba.csv").write_text("\n".join(["image_id,Big_Nose,Male", *lines]))
        lines = [f"{name},{part}" for name, _, part in ROWS]
        (folder / "list_eval_partition.csv").write_text("\n".join(["image_id,partition", *lines]))
    else:
        lines = [f"{name}  {values}" for name, values, _ in ROWS]
        (folder / "list_attr_celeba.txt").write_text("\n".join(["4", "Big_Nose Male", *lines, ""]))
        (folder / "list_eval_partition.txt").write_text("\n".join(f"{name} {part}" for name, _, part in ROWS))
    return str(folder)


@pytest.mark.parametrize("csv", [False, True])
@pytest.mark.parametrize("twice", [False, True])
def test_both_layouts_say_the_same(csv: bool, twice: bool, tmp_path: Path) -> None:
    adapter, source = adapters()["celeba"](), write(tmp_path, csv, twice)
    rows = adapter.index(source).rows
    assert list(rows["Big_Nose"]) == ["yes", "no", "yes", "no"]
    assert list(rows["Male"]) == ["no", "yes", "yes", "no"]
    assert list(rows["split"]) == ["train", "train", "validation", "test"]
    read = adapter.reader(source)
    assert all(read(example)[:2] == b"\xff\xd8" for example in rows["id"])


def test_a_labelled_image_that_is_not_there_is_set_aside(tmp_path: Path) -> None:
    found = adapters()["celeba"]().index(write(tmp_path, csv=False, images=3))
    assert found.set_aside == [("img_align_celeba/000004.jpg", "labelled, but not in the folder")]


def test_what_is_not_celeba_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"is not CelebA: it holds neither list_attr_celeba.txt nor"):
        adapters()["celeba"]().index(str(tmp_path))
    source = write(tmp_path / "c", csv=False)
    labels = tmp_path / "c/list_attr_celeba.txt"
    labels.write_text(labels.read_text().replace("-1 -1", "-1 2"))
    with pytest.raises(ValueError, match="Male of list_attr_celeba has the value '2'"):
        adapters()["celeba"]().index(source)


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("list_attr_celeba.txt", "", "has no 1 words in the line"),
        ("list_attr_celeba.txt", "4\nBig_Nose Male\n", "has no 3 words in the line"),
        ("list_attr_celeba.txt", "4\nBig_Nose Male\n000001.jpg 1 -1 1", "has no 3 words in the line '000001.jpg 1 -1 1'"),
        ("list_eval_partition.txt", "000001.jpg", "has no 2 words in the line '000001.jpg'"),
        ("list_eval_partition.txt", "000001.jpg 7", "list_eval_partition has the value '7'"),
        ("list_eval_partition.csv", "image_id,partition,more\n000001.jpg,0,1", "has 3 columns, not those of CelebA"),
    ],
)
def test_a_broken_list_is_told_in_one_sentence(file: str, text: str, says: str, tmp_path: Path) -> None:
    source = write(tmp_path, csv=False)
    (tmp_path / file).write_text(text)
    with pytest.raises(ValueError, match=says) as raised:
        adapters()["celeba"]().index(source)
    assert "\n" not in str(raised.value)


def test_an_image_in_no_partition_is_set_aside(tmp_path: Path) -> None:
    source = write(tmp_path, csv=False)
    partition = tmp_path / "list_eval_partition.txt"
    partition.write_text("\n".join(partition.read_text().splitlines()[:3]))
    found = adapters()["celeba"]().index(source)
    assert found.set_aside == [("img_align_celeba/000004.jpg", "not in list_eval_partition")]
    assert len(found.rows) == 3
