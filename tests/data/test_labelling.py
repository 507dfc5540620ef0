from pathlib import Path

import pandas as pd
import pytest

from biasray.data.labelling import beside, read_csv, refuse_twice


def test_a_csv_is_read_as_text_whatever_stands_in_it(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_bytes("\ufefffile,age , land\na.jpg,007, NA\nb.jpg,,NA\nc.jpg,é\n".encode())
    table = read_csv(str(file))
    assert list(table.columns) == ["file", "age", "land"]
    assert table.to_numpy().tolist() == [["a.jpg", "007", "NA"], ["b.jpg", "", "NA"], ["c.jpg", "é", ""]]


@pytest.mark.parametrize("data", [b"", b"file,age\na.jpg,\xe9\n", b'file,age\n"a.jpg,1\n', b"file,age\na,1\nb,2,3,4\n"])
def test_what_is_no_csv_is_refused_in_one_sentence(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "labels.csv"
    file.write_bytes(data)
    with pytest.raises(ValueError, match=r"labels.csv cannot be read as a CSV in UTF-8 \(.+\); save it as one\.$") as raised:
        read_csv(str(file))
    assert "\n" not in str(raised.value)


def test_a_file_with_two_rows_is_refused_by_its_name() -> None:
    refuse_twice(pd.Series(["a", "b"]), "labels.csv")
    with pytest.raises(ValueError, match=r"labels.csv names 2 files twice \(the first: b\); leave one row for each"):
        refuse_twice(pd.Series(["a", "b", "c", "b", "c"]), "labels.csv")


def test_labelled_files_that_are_not_there_are_set_aside(tmp_path: Path) -> None:
    for name in ("a.jpg", "sub/deep/b.jpg", "sub/c.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    table = pd.DataFrame({"file": ["sub/c.jpg", "b.jpg", "sub/deep/b.jpg", "nowhere/c.jpg", "a.jpg"]})
    found, missing = beside(table, str(tmp_path))
    assert list(found["file"]) == ["sub/c.jpg", "sub/deep/b.jpg", "a.jpg"]
    assert [r.file for r in missing] == ["b.jpg", "nowhere/c.jpg"]
    assert {r.reason for r in missing} == {"labelled, but not in the folder"}
    with pytest.raises(
        ValueError, match=r"None of the 2 labelled files is in .* \(the first: b.jpg\); give --source the folder"
    ):
        beside(table.iloc[[1, 3]], str(tmp_path))
