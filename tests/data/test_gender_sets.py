"""All-Age-Faces, Kaggle's gender folders and IMDB-WIKI, in the layouts that they are published in."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from biasray.data import adapters, importing
from biasray.data.aaf import AAF
from biasray.data.imdb_wiki import ImdbWiki
from biasray.data.kaggle_gender import KaggleGender
from tests.pictures import image


def lists(folder: Path, **lines: list[str]) -> None:
    (folder / "image sets").mkdir()
    for name, of in lines.items():
        (folder / "image sets" / f"{name}.txt").write_text("\n".join(of) + "\n")


@pytest.fixture
def aaf(tmp_path: Path) -> Path:
    for k, name in enumerate(["00000A02", "07380A80", "07381A05", "13321A63", "00007A30"]):
        image(tmp_path / "aligned faces" / f"{name}.jpg", k)
    return tmp_path


def test_genders_of_aaf_are_coded_the_other_way_round_from_utkface(aaf: Path) -> None:
    lists(aaf, train=["00000A02.jpg 0", "07381A05.jpg 1"], val=["07380A80.jpg 0", "13321A63.jpg 1", "00007A30.jpg 0"])
    found = AAF().index(str(aaf))
    rows = found.rows.set_index("id")
    assert {
        name: tuple(rows.loc[f"aligned faces/{name}.jpg"]) for name in ("00000A02", "07380A80", "07381A05", "13321A63")
    } == {
        "00000A02": (2, "Female", "trainval"),
        "07380A80": (80, "Female", "test"),
        "07381A05": (5, "Male", "trainval"),
        "13321A63": (63, "Male", "test"),
    }
    assert found.set_aside == []


def test_without_lists_aaf_has_no_splits_of_its_own(aaf: Path) -> None:
    rows = AAF().index(str(aaf)).rows
    assert list(rows.columns) == ["id", "age", "gender"]
    assert list(rows["gender"]) == ["Female", "Female", "Female", "Male", "Male"]


def test_faces_of_aaf_that_lists_contradict_or_leave_out_are_set_aside(aaf: Path) -> None:
    image(aaf / "aligned faces/1A2.jpg")
    lists(aaf, train=["00000A02.jpg 1", "07381A05.jpg 1"], val=["07380A80.jpg 0", "13321A63.jpg 1"])
    assert dict(AAF().index(str(aaf)).set_aside) == {
        "aligned faces/00000A02.jpg": "gender Female by its number, Male by the list",
        "aligned faces/00007A30.jpg": "in no list of 'image sets'",
        "aligned faces/1A2.jpg": "its name is not a number of five digits, A, an age of two digits, .jpg",
    }
    (aaf / "image sets/train.txt").write_text("00000A02.jpg female\n")
    with pytest.raises(ValueError, match=r"has the line '00000A02.jpg female', not a name and a gender of 0 or 1"):
        AAF().index(str(aaf))


def test_folders_of_kaggle_are_genders_and_splits(tmp_path: Path) -> None:
    for folder in ("Training", "Validation"):
        image(tmp_path / folder / "female/a.jpg")
        image(tmp_path / folder / "male/b.jpg")
    (tmp_path / "Training/male/notes.txt").write_text("no image")
    rows = KaggleGender().index(str(tmp_path)).rows
    assert [tuple(row) for row in rows.itertuples(index=False)] == [
        ("Training/female/a.jpg", "Female", "trainval"),
        ("Training/male/b.jpg", "Male", "trainval"),
        ("Validation/female/a.jpg", "Female", "test"),
        ("Validation/male/b.jpg", "Male", "test"),
    ]
    (tmp_path / "Validation/male/b.jpg").unlink()
    with pytest.raises(ValueError, match="it needs images in Training and Validation, each with folders female and male"):
        KaggleGender().index(str(tmp_path))


PERSON = {
    "full_path": "01/a.jpg", "name": "Ann", "dob": date(1980, 3, 1).toordinal() + 366, "photo_taken": 2010, "gender": 0.0,
    "face_score": 2.5, "second_face_score": np.nan,
}  # fmt: skip


def write(folder: Path, *persons: Mapping[str, object], part: str = "imdb") -> str:
    """The .mat of these persons: as published a structure of rows, texts in cells."""
    made: dict[str, np.ndarray] = {}
    for key in PERSON:
        values = [{**PERSON, **person}[key] for person in persons]
        made[key] = np.array([values], dtype=object if isinstance(PERSON[key], str) else float)
    savemat(folder / f"{part}.mat", {part: made})
    return str(folder)


@pytest.mark.parametrize("part", ["imdb", "wiki"])
def test_ages_of_imdb_wiki_are_those_in_the_middle_of_the_year(tmp_path: Path, part: str) -> None:
    born = {f"{k}.jpg": date(1980, month, 28).toordinal() + 366 for k, month in enumerate((6, 7))}
    source = write(tmp_path, *({"full_path": file, "dob": day, "gender": 1.0} for file, day in born.items()), part=part)
    rows = ImdbWiki().index(source).rows
    assert rows[["id", "age", "gender"]].to_numpy().tolist() == [["0.jpg", 30, "Male"], ["1.jpg", 29, "Male"]]


def test_images_of_imdb_wiki_count_where_one_face_was_found_and_all_is_known(tmp_path: Path) -> None:
    wrong = {
        "no face was found in it": {"face_score": -np.inf},
        "two faces were found in it": {"second_face_score": 1.7},
        "its gender is not known": {"gender": np.nan},
        "its dates give no age": {"dob": 47},
        "its dates give an age of -31": {"photo_taken": 1949},
        "its dates give an age of 120": {"photo_taken": 2100},
    }
    persons = [{"full_path": f"{k}.jpg", **fields} for k, fields in enumerate(wrong.values())]
    found = ImdbWiki().index(write(tmp_path, {}, *persons))
    assert [remark.reason for remark in found.set_aside] == list(wrong)
    assert list(found.rows["id"]) == ["01/a.jpg"]
    assert list(found.rows["gender"]) == ["Female"]


def test_all_images_of_a_person_are_in_one_split(tmp_path: Path) -> None:
    persons = [{"full_path": f"{k}.jpg", "name": f"person {k % 50}"} for k in range(400)]
    rows = ImdbWiki().index(write(tmp_path, *persons)).rows
    splits = rows.groupby(rows["id"].map(lambda name: int(name[:-4]) % 50))["split"].nunique()
    assert (splits == 1).all()
    assert set(rows["split"]) == {"train", "validation", "test"}


def test_files_that_are_not_imdb_wiki_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"is not IMDB-WIKI: it holds neither imdb.mat and wiki.mat"):
        ImdbWiki().index(str(tmp_path))
    (tmp_path / "imdb.mat").write_bytes(b"no matrix at all")
    with pytest.raises(
        ValueError, match=r"imdb.mat is not the file that IMDB-WIKI was published with \(.*\); download it"
    ) as e:
        ImdbWiki().index(str(tmp_path))
    assert "\n" not in str(e.value)
    whole = Path(write(tmp_path, *[{}] * 50)) / "imdb.mat"
    whole.write_bytes(whole.read_bytes()[:600])
    with pytest.raises(ValueError, match="is not the file that IMDB-WIKI"):
        ImdbWiki().index(str(tmp_path))
    savemat(tmp_path / "imdb.mat", {"other": np.zeros(3)})
    with pytest.raises(ValueError, match="is not the file that IMDB-WIKI"):
        ImdbWiki().index(str(tmp_path))


def test_they_are_imported_by_their_names(aaf: Path, tmp_path: Path) -> None:
    assert {"aaf", "kaggle-gender", "imdb-wiki"} <= set(adapters())
    shard = importing.make_shard(AAF(), str(aaf), AAF().index(str(aaf)).rows, 0, 16, str(tmp_path / "out"))
    assert (shard.rows, shard.set_aside) == (5, [])
