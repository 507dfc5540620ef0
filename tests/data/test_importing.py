import io
import json
from pathlib import Path
from typing import final

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from biasray import storage
from biasray.data import load
from biasray.data.adapter import Adapter, Index
from biasray.data.importing import (
    Shard,
    describe,
    duplicates,
    finished,
    images_of,
    make_shard,
    read_shard,
    slice_rows,
    split_of,
)
from biasray.data.importing import (
    labels as labels_of,
)


@final
class Folder(Adapter):
    """PNG files called LABEL-NUMBER.png."""

    target, bias, size = "label", "parity", 8

    def index(self, source: str) -> Index:
        files = storage.names(source)
        parity = ["odd" if int(f[2:-4]) % 2 else "even" for f in files]
        return Index(pd.DataFrame({"id": files, "label": [f[0] for f in files], "parity": parity}), [], [])


def png(seed: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(out, "PNG")
    return out.getvalue()


def source_of(folder: Path, n: int = 10) -> str:
    folder.mkdir()
    for i in range(n):
        (folder / f"{'ab'[i % 2]}-{i}.png").write_bytes(png(i))
    return str(folder)


def make(source: str, out: Path, rows: slice = slice(None), number: int = 0) -> Shard:
    return make_shard(Folder(), source, Folder().index(source).rows[rows], number, 8, str(out))


def test_a_shard_holds_every_image_and_label_of_its_slice(tmp_path: Path) -> None:
    source = source_of(tmp_path / "in")
    shard = make(source, tmp_path / "out")
    table = read_shard(str(tmp_path / "out"), shard.file, images=True)
    assert (shard.rows, shard.set_aside, len(table)) == (10, [], 10)
    assert shard.bytes == storage.size(storage.join(str(tmp_path / "out"), "shards", shard.file))
    labels = labels_of(str(tmp_path / "out"), [shard.file])
    assert list(labels["id"]) == Folder().index(source).rows["id"].tolist()
    assert (labels["label"] == labels["id"].str[0]).all()
    images = images_of(table, (3, 8, 8))
    for row, name in enumerate(labels["id"]):
        np.testing.assert_array_equal(images[row], np.asarray(Image.open(Path(source) / name)))
        assert labels["hash"][row] == storage.checksum((Path(source) / name).read_bytes())


def test_what_cannot_be_read_is_set_aside_with_its_reason(tmp_path: Path) -> None:
    source = source_of(tmp_path / "in")
    (tmp_path / "in" / "a-0.png").write_bytes(png(0)[:60])
    (tmp_path / "in" / "b-3.png").write_bytes(b"hello")
    rows = Folder().index(source).rows
    (tmp_path / "in" / "a-4.png").unlink()
    shard = make_shard(Folder(), source, rows, 0, 8, str(tmp_path / "out"))
    assert shard.rows == 7
    assert [file for file, _ in shard.set_aside] == ["a-0.png", "a-4.png", "b-3.png"]
    assert all(reason for _, reason in shard.set_aside)
    left = labels_of(str(tmp_path / "out"), [shard.file])
    images = images_of(read_shard(str(tmp_path / "out"), shard.file, images=True), (3, 8, 8))
    row = list(left["id"]).index("b-5.png")
    np.testing.assert_array_equal(images[row], np.asarray(Image.open(Path(source) / "b-5.png")))


def test_a_slice_of_which_nothing_can_be_read_is_an_empty_shard(tmp_path: Path) -> None:
    source = source_of(tmp_path / "in", 6)
    for i in range(3):
        (tmp_path / "in" / f"{'ab'[i % 2]}-{i}.png").write_bytes(b"")
    rows, out = Folder().index(source).rows.sort_values("parity"), str(tmp_path / "out")
    empty = make_shard(Folder(), source, rows[rows["id"].isin(["a-0.png", "b-1.png", "a-2.png"])], 0, 8, out)
    full = make_shard(Folder(), source, rows[rows["id"].isin(["b-3.png", "a-4.png", "b-5.png"])], 1, 8, out)
    assert (empty.rows, full.rows) == (0, 3)
    assert images_of(read_shard(out, empty.file, images=True), (3, 8, 8)).shape == (0, 8, 8, 3)
    assert len(labels_of(out, [empty.file, full.file])) == 3
    assert finished(out) == {1: full}  # the other may be mended, and is made again


def test_the_same_slice_gives_the_same_file_name_bad_images_and_all(tmp_path: Path) -> None:
    source = source_of(tmp_path / "in")
    (tmp_path / "in" / "b-3.png").write_bytes(b"hello")
    assert make(source, tmp_path / "one") == make(source, tmp_path / "two")


def test_finished_shards_are_found_as_they_were_made(tmp_path: Path) -> None:
    source = source_of(tmp_path / "in")
    made = {n: make(source, tmp_path / "out", slice(5 * n, 5 * n + 5), n) for n in (1, 0)}
    (tmp_path / "out" / "shards" / ".00002-half.parquet.123").write_bytes(b"left by a killed writer")
    assert finished(str(tmp_path / "out")) == made
    assert finished(str(tmp_path / "nothing")) == {}


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_one_damaged_byte_is_found_and_the_shard_made_again(tmp_path: Path, share: float) -> None:
    source, out = source_of(tmp_path / "in"), str(tmp_path / "out")
    shards = [make(source, tmp_path / "out", slice(5 * n, 5 * n + 5), n) for n in (0, 1)]
    file = tmp_path / "out" / "shards" / shards[1].file
    whole = file.read_bytes()
    at = int(len(whole) * share)
    file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    with pytest.raises(ValueError, match="is damaged: delete it and import again"):
        read_shard(out, shards[1].file, images=True)
    assert finished(out) == {0: shards[0]}
    assert not file.exists()
    assert make(source, tmp_path / "out", slice(5, 10), 1) == shards[1]
    assert file.read_bytes() == whole


def test_a_shard_cut_short_is_damaged(tmp_path: Path) -> None:
    shard = make(source_of(tmp_path / "in"), tmp_path / "out")
    file = tmp_path / "out" / "shards" / shard.file
    file.write_bytes(file.read_bytes()[:-1])
    assert finished(str(tmp_path / "out")) == {}


def test_splits_have_about_their_shares() -> None:
    hashes = [storage.checksum(str(i).encode()) for i in range(20_000)]
    share = pd.Series([split_of(h, None) for h in hashes]).value_counts(normalize=True)
    assert [share[s] for s in ("train", "validation", "test")] == pytest.approx([0.7, 0.1, 0.2], abs=0.012)
    given = pd.Series([split_of(h, "trainval") for h in hashes]).value_counts(normalize=True)
    assert [given[s] for s in ("train", "validation")] == pytest.approx([0.9, 0.1], abs=0.01)
    for own in ("train", "validation", "test"):
        assert {split_of(h, own) for h in hashes} == {own}


def test_the_split_of_an_image_follows_from_its_bytes_not_its_name_or_place(tmp_path: Path) -> None:
    source = source_of(tmp_path / "in", 40)
    (tmp_path / "renamed").mkdir()
    for i, file in enumerate(sorted(Path(source).iterdir(), reverse=True)):
        (tmp_path / "renamed" / f"z-{i}.png").write_bytes(file.read_bytes())
    first, second = (
        labels_of(str(tmp_path / out), [make(folder, tmp_path / out).file]).set_index("hash")["split"]
        for out, folder in (("one", source), ("two", str(tmp_path / "renamed")))
    )
    assert first.nunique() == 3
    pd.testing.assert_series_equal(first.sort_index(), second.sort_index())
    assert list(first) != list(second)


def test_given_splits_are_kept_and_one_for_both_is_divided(tmp_path: Path) -> None:
    source = source_of(tmp_path / "in", 40)
    rows = Folder().index(source).rows.assign(split=["test"] * 8 + ["train", "validation"] + ["trainval"] * 30)
    labels = labels_of(str(tmp_path / "out"), [make_shard(Folder(), source, rows, 0, 8, str(tmp_path / "out")).file])
    assert list(labels["split"][:10]) == ["test"] * 8 + ["train", "validation"]
    assert set(labels["split"][10:]) == {"train", "validation"}


TWINS = pd.DataFrame(
    {
        "id": ["a", "b", "c", "d", "e", "f", "g"],
        "split": ["train", "test", "train", "train", "train", "test", "train"],
        "hash": ["1", "1", "2", "3", "3", "4", "3"],
        "age": [20, 20, 20, 30, 31, 5, 30],
        "race": ["X", "X", "X", "Y", "Z", "X", "Y"],
    }
)


def test_of_equal_images_with_equal_labels_the_first_stays() -> None:
    assert ("b", "same image and labels as a") in duplicates(TWINS)
    assert "a" not in [r.file for r in duplicates(TWINS)]


def test_of_equal_images_with_conflicting_labels_none_stays() -> None:
    found = {r.file: r.reason for r in duplicates(TWINS)}
    assert sorted(found) == ["b", "d", "e", "g"]
    assert found["d"] == "same image as e, g, other age and race"


def test_no_image_is_left_twice_and_a_second_look_finds_nothing() -> None:
    left = TWINS[~TWINS["id"].isin([r.file for r in duplicates(TWINS)])]
    assert left["hash"].is_unique
    assert duplicates(left) == []


def test_slices_hold_some_32_megabytes() -> None:
    assert slice_rows(28, 1) == 4096
    assert slice_rows(224, 3) == 222
    assert slice_rows(10_000, 3) == 1


def test_describe_counts_splits_and_values() -> None:
    got = describe(TWINS)
    assert got["splits"] == {"train": 5, "validation": 0, "test": 2}
    assert got["attributes"] == {"age": {"low": 5, "high": 31}, "race": {"X": 4, "Y": 2, "Z": 1}}
    json.dumps(got)


MANIFEST = {"name": "tiny", "shape": [3, 8, 8], "target": "label", "bias": "parity", "checksum": "c"}


def imported(tmp_path: Path) -> tuple[str, pd.DataFrame, np.ndarray]:
    """Three shards, the second without rows, and a manifest that sets two examples aside."""
    source, out = source_of(tmp_path / "in"), tmp_path / "out"
    (tmp_path / "in" / "b-5.png").write_bytes(b"")
    shards = [make(source, out, rows, n) for n, rows in enumerate((slice(0, 7), slice(7, 8), slice(8, 10)))]
    aside = {"set_aside": [["c.png", "not an image"]], "duplicates": [["a-2.png", "why"], ["b-9.png", "why"]]}
    manifest = {**MANIFEST, "shards": [s._asdict() for s in shards], **aside}
    storage.write_json(storage.join(str(out), "manifest.json"), manifest)
    names = labels_of(str(out), [s.file for s in shards])
    pixels = {name: np.asarray(Image.open(Path(source) / name)) for name in names["id"]}
    kept = names[~names["id"].isin(["a-2.png", "b-9.png"])].reset_index(drop=True)
    return str(out), kept, np.stack([pixels[name] for name in kept["id"]])


def test_an_imported_data_set_leaves_out_what_its_manifest_sets_aside(tmp_path: Path) -> None:
    folder, kept, _ = imported(tmp_path)
    data = load(folder)
    pd.testing.assert_frame_equal(data.examples, kept)
    assert (data.name, data.shape, data.target, data.bias) == ("tiny", (3, 8, 8), "label", "parity")
    assert data.attributes == ["label", "parity"]
    assert data.set_aside == (("c.png", "not an image"), ("a-2.png", "why"), ("b-9.png", "why"))


def test_images_of_an_imported_data_set_are_those_of_the_rows_in_the_order_asked(tmp_path: Path) -> None:
    folder, kept, pixels = imported(tmp_path)
    data = load(folder)
    for rows in (np.arange(len(kept)), np.array([6, 0, 5, 5, 1]), np.arange(len(kept))[::-1], np.zeros(0, np.int64)):
        np.testing.assert_array_equal(data.images(rows), pixels[rows])


def test_an_imported_data_set_is_sorted_by_id_in_whatever_order_its_adapter_lists_it(tmp_path: Path) -> None:
    source, out = source_of(tmp_path / "in"), tmp_path / "out"
    rows = Folder().index(source).rows[::-1]
    shards = [make_shard(Folder(), source, rows[part], n, 8, str(out)) for n, part in enumerate((slice(0, 6), slice(6, 10)))]
    storage.write_json(
        storage.join(str(out), "manifest.json"),
        {**MANIFEST, "set_aside": [], "duplicates": [], "shards": [s._asdict() for s in shards]},
    )
    data = load(str(out))
    assert list(data.examples["id"]) == sorted(rows["id"])
    for row, name in enumerate(data.examples["id"]):
        np.testing.assert_array_equal(data.images(np.array([row]))[0], np.asarray(Image.open(Path(source) / name)))


def test_a_data_set_that_is_not_there_or_not_finished_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"There is no data set '.*': give a built-in one \(digits"):
        load(str(tmp_path / "nowhere"))
    make(source_of(tmp_path / "in"), tmp_path / "out")
    with pytest.raises(ValueError, match=r"holds no manifest.json, so it is not \(or not yet wholly\) imported; run"):
        load(str(tmp_path / "out"))
