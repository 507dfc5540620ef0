from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from biasray.data.parquet import ParquetImages, is_parquet


def write(path: Path, images: Sequence[Any], group: int = 3, **columns: Any) -> Path:
    pq.write_table(pa.table({**columns, "image": images}), path, row_group_size=group)
    return path


def bytes_of(start: int, stop: int) -> list[bytes]:
    return [f"image {k}".encode() for k in range(start, stop)]


def folder(tmp_path: Path) -> str:
    """Two files of seven and four rows, in row groups of three."""
    write(tmp_path / "a-0.parquet", bytes_of(0, 7), age=[*range(6), None], boxes=[[1, 2]] * 7, sex=list("fmfmfmf"))
    write(tmp_path / "a-1.parquet", bytes_of(7, 11), age=[*range(4)], boxes=[[1]] * 4, sex=list("mmff"))
    (tmp_path / "readme.txt").touch()
    return str(tmp_path)


def test_labels_of_all_files_are_text_without_images_and_lists(tmp_path: Path) -> None:
    table = ParquetImages(folder(tmp_path)).labels()
    assert sorted(table.columns) == ["age", "file", "sex"]
    assert list(table["age"]) == ["0", "1", "2", "3", "4", "5", "", "0", "1", "2", "3"]
    assert "".join(table["sex"]) == "fmfmfmfmmff"
    assert list(table["file"])[6:8] == ["a-0.parquet:6", "a-1.parquet:0"]


@pytest.mark.parametrize("order", [range(11), range(10, -1, -1), [3, 9, 3, 0, 10, 6]])
def test_every_row_has_its_own_image_in_any_order(tmp_path: Path, order: Sequence[int]) -> None:
    images = ParquetImages(folder(tmp_path))
    read, files = images.reader(), images.files()
    assert [read(files[k]) for k in order] == [f"image {k}".encode() for k in order]


def test_rows_in_order_read_each_row_group_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, asked = ParquetImages(folder(tmp_path)), []
    plain = pq.ParquetFile.read_row_group
    monkeypatch.setattr(pq.ParquetFile, "read_row_group", lambda part, k, columns: asked.append(k) or plain(part, k, columns))
    read = images.reader()
    for file in images.files():
        read(file)
    assert asked == [0, 1, 2, 0, 1]


def test_structs_with_bytes_are_images_and_a_file_column_names_them(tmp_path: Path) -> None:
    structs = [{"bytes": b"one", "path": "x.jpg"}, {"bytes": None, "path": "y.jpg"}, None, {"bytes": b"", "path": ""}]
    path = write(tmp_path / "t.parquet", structs, file=["p/1", "p/2", "p/3", "p/4"])
    images = ParquetImages(str(path))
    assert list(images.labels().columns) == ["file"]
    read = images.reader()
    assert read("p/1") == b"one"
    for empty in ("p/2", "p/3", "p/4"):
        with pytest.raises(ValueError, match="its row holds no image"):
            read(empty)


def test_what_cannot_be_used_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "half.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(ValueError, match=r"half.parquet is not a whole Parquet file \(.*\); download it again"):
        ParquetImages(str(tmp_path))
    (tmp_path / "half.parquet").unlink()
    write(tmp_path / "a.parquet", ["text"], age=[1])
    with pytest.raises(ValueError, match=r"a.parquet has no column of image bytes; it has: age, image\."):
        ParquetImages(str(tmp_path))
    write(tmp_path / "b.parquet", [b"x"], age=[1])
    with pytest.raises(ValueError, match=r"b.parquet has other columns than .*a.parquet; give the files of one data set"):
        ParquetImages(str(tmp_path))


def test_a_source_is_parquet_by_its_names(tmp_path: Path) -> None:
    assert not is_parquet(str(tmp_path))
    assert not is_parquet(str(tmp_path / "nowhere"))
    write(tmp_path / "a.parquet", [b"x"])
    assert is_parquet(str(tmp_path))
    assert is_parquet(str(tmp_path / "a.parquet"))
