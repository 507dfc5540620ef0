import io
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from biasray.data import adapters, importing
from biasray.data.fairface import AGES, GENDERS, RACES, FairFace, age_band

HEADER = "file,age,gender,race,service_test"
GOOD = [("10-19", "Male", "White"), ("more than 70", "Female", "Latino_Hispanic"), ("0-2", "Female", "Middle Eastern")]


def jpeg(seed: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (30, 30, 3), dtype=np.uint8)).save(out, "JPEG")
    return out.getvalue()


def write(folder: Path, split: str, labels: list[tuple[str, str, str]], missing: int = 0) -> str:
    """Labels of one split and its images, but for the last so many."""
    (folder / split).mkdir(parents=True)
    rows = [f"{split}/{k}.jpg,{','.join(row)},True" for k, row in enumerate(labels, 1)]
    (folder / f"fairface_label_{split}.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    for k in range(1, len(labels) + 1 - missing):
        (folder / split / f"{k}.jpg").write_bytes(jpeg(k))
    return str(folder)


def write_parquet(file: Path, names: list[str], labels: list[tuple[str, str, str]]) -> str:
    ages, genders, races = map(list, zip(*labels, strict=True))
    images = [jpeg(k) for k in range(len(names))]
    columns = {"file": names, "age": ages, "gender": genders, "race": races, "service_test": [True] * len(names)}
    pq.write_table(pa.table({**columns, "image": images}), file, row_group_size=2)
    return str(file)


@pytest.mark.parametrize("band", AGES)
def test_a_band_is_itself(band: str) -> None:
    assert age_band(band) == band


@pytest.mark.parametrize(
    ("band", "texts"),
    [
        ("3-9", ["03-Sep", "3-Sep", "9-Mar", "09-Mar", "Sep-03", "Mar-09", "2024-03-09", "9/3/2024", "3 - 9"]),
        ("10-19", ["Oct-19", "19-Oct", "OCT-19", "2019-10-01", "10/19/2023", "2023-10-19 00:00:00"]),
        ("0-2", ["00-02", "0 - 2"]),
    ],
)
def test_bands_that_a_spreadsheet_took_for_dates_are_repaired(band: str, texts: list[str]) -> None:
    assert {text: age_band(text) for text in texts} == dict.fromkeys(texts, band)


@pytest.mark.parametrize("text", ["", "5", "70+", "Nov-19", "3-8", "2002-03-09 00:00", "old", "0-2 or 3-9"])
def test_what_may_be_another_band_or_none_is_not_guessed(text: str) -> None:
    assert age_band(text) is None


def test_damaged_ages_are_read_and_each_is_noted(tmp_path: Path) -> None:
    labels = [("9-Mar", "Male", "Black"), ("Oct-19", "Female", "Indian"), *GOOD]
    found = FairFace().index(write(tmp_path, "val", labels))
    assert list(found.rows["age"]) == ["3-9", "10-19", *(age for age, _, _ in GOOD)]
    assert found.noted == [("val/1.jpg", "age '9-Mar' read as 3-9"), ("val/2.jpg", "age 'Oct-19' read as 10-19")]
    assert found.set_aside == []


def test_unknown_labels_and_missing_images_are_set_aside_with_the_reason(tmp_path: Path) -> None:
    labels = [("5", "Male", "Black"), ("3-9", "male", "Black"), ("3-9", "Male", "Martian"), ("3-9", "Male", ""), *GOOD]
    found = FairFace().index(write(tmp_path, "train", labels, missing=1))
    aside = {r.file: r.reason for r in found.set_aside}
    assert sorted(aside) == ["train/1.jpg", "train/2.jpg", "train/3.jpg", "train/4.jpg", "train/7.jpg"]
    assert aside["train/1.jpg"].startswith("age '5' is none of 0-2, 3-9, 10-19, ")
    assert aside["train/2.jpg"] == "gender 'male' is none of Male, Female"
    assert aside["train/3.jpg"].startswith("race 'Martian' is none of White, Black, Latino_Hispanic, East Asian")
    assert aside["train/4.jpg"].startswith("race '' is none of")
    assert aside["train/7.jpg"] == "labelled, but not in the folder"
    assert list(found.rows["id"]) == ["train/5.jpg", "train/6.jpg"]


def test_val_is_the_test_split_where_train_is_there_too(tmp_path: Path) -> None:
    source = write(tmp_path, "train", GOOD)
    assert "split" not in FairFace().index(source).rows
    write(tmp_path, "val", GOOD[:2])
    rows = FairFace().index(source).rows
    assert list(rows["split"]) == ["trainval"] * 3 + ["test"] * 2
    assert list(rows["id"])[2:4] == ["train/3.jpg", "val/1.jpg"]


def test_only_val_is_divided_as_data_without_splits_are(tmp_path: Path) -> None:
    assert "split" not in FairFace().index(write(tmp_path, "val", GOOD)).rows


@pytest.mark.parametrize("form", ["csv", "parquet", "folder of parquet"])
def test_images_go_with_their_labels(tmp_path: Path, form: str) -> None:
    if form == "csv":
        source = write(tmp_path / "in", "train", GOOD)
        pixels = {f"train/{k}.jpg": jpeg(k) for k in (1, 2, 3)}
    else:
        names = ["train/9.jpg", "train/10.jpg", "val/1.jpg"]  # not sorted as text: read in the order of the file
        (tmp_path / "in").mkdir()
        file = write_parquet(tmp_path / "in" / "faces.parquet", names, GOOD)
        source = file if form == "parquet" else str(tmp_path / "in")
        pixels = {name: jpeg(k) for k, name in enumerate(names)}
    found, out = FairFace().index(source), str(tmp_path / "out")
    assert list(found.rows["id"]) == list(pixels)
    assert found.rows[["age", "gender", "race"]].to_numpy().tolist() == [list(row) for row in GOOD]
    shard = importing.make_shard(FairFace(), source, found.rows, 0, 30, out)
    images = importing.images_of(importing.read_shard(out, shard.file, images=True), (3, 30, 30))
    for image, data in zip(images, pixels.values(), strict=True):
        np.testing.assert_array_equal(image, np.asarray(Image.open(io.BytesIO(data))))


def test_a_source_of_another_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"is not FairFace: it holds neither fairface_label_train.csv nor .*; give the folder"):
        FairFace().index(str(tmp_path))
    (tmp_path / "fairface_label_val.csv").write_text("file,age\nval/1.jpg,3-9\n")
    with pytest.raises(ValueError, match="is not FairFace: its labels have no column gender, race; download them again"):
        FairFace().index(str(tmp_path))


def test_a_file_with_two_rows_is_refused(tmp_path: Path) -> None:
    source = write(tmp_path, "val", GOOD)
    with (tmp_path / "fairface_label_val.csv").open("a") as file:
        file.write("val/1.jpg,3-9,Male,White,True\n")
    with pytest.raises(ValueError, match=r"names 1 files twice \(the first: val/1.jpg\)"):
        FairFace().index(source)


def test_fairface_is_found_by_its_name() -> None:
    assert adapters()["fairface"] is FairFace
    assert (FairFace.target, FairFace.bias, FairFace.size) == ("gender", "race", 64)


def test_of_the_real_labels_all_can_be_read(shared: Path, tmp_path: Path) -> None:
    with tarfile.open(shared / "data" / "fairface" / "fairface_val_5000.tar") as tar:
        names = [m.name for m in tar if m.isfile()]
    (tmp_path / "val").mkdir()
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "fairface_label_val.csv").write_bytes((shared / "data/fairface/fairface_label_val.csv").read_bytes())
    found = FairFace().index(str(tmp_path))
    assert (len(found.rows), found.set_aside, found.noted) == (5000, [], [])
    assert Counter(found.rows["race"])["White"] == 962
    assert Counter(found.rows["gender"]) == {"Male": 2633, "Female": 2367}


def test_the_real_parquet_file_is_read_a_row_group_at_a_time(shared: Path, tmp_path: Path) -> None:
    source = str(shared / "data" / "fairface" / "fairface_train_20000_64px.parquet")
    found = FairFace().index(source)
    assert (len(found.rows), found.set_aside, found.noted) == (20_000, [], [])
    assert set(found.rows["age"]) == set(AGES)
    assert set(found.rows["gender"]) == set(GENDERS)
    assert set(found.rows["race"]) == set(RACES)
    shard = importing.make_shard(FairFace(), source, found.rows[900:1100], 0, 64, str(tmp_path))
    assert (shard.rows, shard.set_aside) == (200, [])
