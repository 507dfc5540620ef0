import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from biasray.data import adapters, importing
from biasray.data.dataset import has_label
from biasray.data.folder import Folder


def png(seed: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Thirty images, some of them in a folder of their own."""
    folder = tmp_path / "my pictures"
    (folder / "more").mkdir(parents=True)
    for k in range(30):
        (folder / name(k)).write_bytes(png(k))
    return folder


def name(k: int) -> str:
    return f"{'more/' if k % 3 == 0 else ''}{k}.png"


def csv(folder: Path, header: str, rows: list[str]) -> str:
    file = folder.parent / "my.csv"
    file.write_text("\n".join([header, *rows]) + "\n")
    return str(file)


def test_every_column_is_an_attribute_and_ages_are_numbers(pictures: Path) -> None:
    rows = [f"{k},{name(k)},{'fm'[k % 2]},{20 + k},{k % 2},x{k}" for k in range(30)]
    found = Folder(csv(pictures, "id,file,gender,age,code,hash", rows)).index(str(pictures))
    assert list(found.rows.columns) == ["id", "gender", "age", "code"]
    assert list(found.rows["id"]) == [name(k) for k in range(30)]
    assert found.rows["age"].dtype == np.int64
    assert list(found.rows["age"]) == list(range(20, 50))
    assert list(found.rows["code"]) == [str(k % 2) for k in range(30)]
    assert (found.set_aside, found.noted) == ([], [])


def test_without_a_column_file_the_first_one_names_the_files(pictures: Path) -> None:
    found = Folder(csv(pictures, "photo,gender", [f"{name(k)},{'fm'[k % 2]}" for k in range(30)])).index(str(pictures))
    assert list(found.rows["id"]) == [name(k) for k in range(30)]
    assert list(found.rows.columns) == ["id", "gender"]


def test_images_without_a_label_are_kept_and_told(pictures: Path) -> None:
    rows = [f"{name(k)},{'fm'[k % 2]},{20 + k}" for k in range(30)]
    rows[1], rows[2] = f"{name(1)},,21", f"{name(2)},f,"
    found = Folder(csv(pictures, "file,gender,age", rows)).index(str(pictures))
    assert {r.file: r.reason for r in found.noted} == {name(1): "its gender is blank", name(2): "its age is blank"}
    assert len(found.rows) == 30
    np.testing.assert_array_equal(has_label(found.rows["gender"]), np.arange(30) != 1)
    np.testing.assert_array_equal(has_label(found.rows["age"]), np.arange(30) != 2)
    assert found.rows["age"][3] == 23


def test_missing_files_and_unknown_splits_are_set_aside(pictures: Path) -> None:
    rows = [f"{name(k)},{'fm'[k % 2]},{'train' if k < 20 else 'test'}" for k in range(30)]
    rows[2], rows[4] = f"{name(2)},f,holdout", f"{name(4)},f,"
    found = Folder(csv(pictures, "file,gender,split", [*rows, "gone.png,f,train"])).index(str(pictures))
    assert {r.file: r.reason for r in found.set_aside} == {
        name(2): "split 'holdout' is none of train, val, valid, validation, test",
        name(4): "split '' is none of train, val, valid, validation, test",
        "gone.png": "labelled, but not in the folder",
    }
    assert len(found.rows) == 28


@pytest.mark.parametrize("validation", ["", "val", "valid", "validation"])
def test_splits_are_kept_and_train_is_divided_only_where_there_is_no_validation(pictures: Path, validation: str) -> None:
    split = {0: "train", 1: "test", 2: validation or "train"}
    file = csv(pictures, "file,gender,split", [f"{name(k)},{'fm'[k % 2]},{split[k % 3]}" for k in range(30)])
    found = Folder(file).index(str(pictures)).rows["split"]
    want = ["train", "test", "validation"] if validation else ["trainval", "test", "trainval"]
    assert list(found) == want * 10


@pytest.mark.parametrize(
    ("header", "rows", "says"),
    [
        ("file,gender,split", ["0.png,f,train"], "None of the 1 labelled files is in"),
        ("file,gender", ["1.png,f", "1.png,m"], r"my.csv names 1 files twice \(the first: 1.png\); leave one row for each"),
        ("file,gender", [], "my.csv has no row of labels"),
        ("file,gender,split", ["1.png,f,train", "2.png,f,val"], "my.csv needs both train and test, or leave it out"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(pictures: Path, header: str, rows: list[str], says: str) -> None:
    with pytest.raises(ValueError, match=says) as raised:
        Folder(csv(pictures, header, rows)).index(str(pictures))
    assert "\n" not in str(raised.value)


def test_labels_that_are_not_there_are_asked_for(pictures: Path) -> None:
    with pytest.raises(ValueError, match=r"There is no labels file nowhere.csv; give --labels a CSV"):
        Folder("nowhere.csv").index(str(pictures))
    with pytest.raises(ValueError, match=r"my pictures holds no Parquet files, so its labels must come from --labels"):
        Folder().index(str(pictures))


@pytest.mark.parametrize("form", ["csv", "bytes", "structs"])
def test_images_go_with_their_labels(tmp_path: Path, pictures: Path, form: str) -> None:
    images, gender = [png(k) for k in range(30)], ["fm"[k % 2] for k in range(30)]
    if form == "csv":
        adapter, source = Folder(csv(pictures, "file,gender", [f"{name(k)},{gender[k]}" for k in range(30)])), str(pictures)
    else:
        column = images if form == "bytes" else [{"bytes": image, "path": None} for image in images]
        adapter, source = Folder(), str(tmp_path / "mine.parquet")
        pq.write_table(pa.table({"image": column, "gender": gender, "age": range(30)}), source, row_group_size=7)
    rows, out = adapter.index(source).rows, str(tmp_path / "out")
    assert list(rows["gender"]) == gender
    shard = importing.make_shard(adapter, source, rows, 0, 8, out)
    assert (shard.rows, shard.set_aside) == (30, [])
    read = importing.images_of(importing.read_shard(out, shard.file, images=True), (3, 8, 8))
    for got, data in zip(read, images, strict=True):
        np.testing.assert_array_equal(got, np.asarray(Image.open(io.BytesIO(data))))


def test_folder_is_found_by_its_name_and_has_no_target_of_its_own() -> None:
    assert adapters()["folder"] is Folder
    assert (Folder.target, Folder.bias) == (None, None)


@pytest.mark.parametrize("kind", [kind for kind in adapters().values() if kind is not Folder])
def test_data_sets_with_labels_of_their_own_refuse_others(kind: type) -> None:
    with pytest.raises(ValueError, match=rf"^{kind.__name__} brings its own labels; leave --labels out\.$"):
        kind("my.csv")
