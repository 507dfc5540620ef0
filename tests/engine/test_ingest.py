import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from biasray import data, storage
from biasray.bias.task import Task, prepare, resolve
from biasray.data import importing
from biasray.data.adapter import Remark
from biasray.engine import ingest
from biasray.engine.ingest import import_data
from tests.faces import write_faces
from tests.pictures import image

# Slices of eight images, so that a small folder makes many shards.
SLICED = """
import sys
from biasray.engine import ingest
ingest.slice_rows = lambda side, channels: 8
ingest.import_data("utkface", sys.argv[1], sys.argv[2], 16)
"""


def start(source: Path, out: Path) -> subprocess.Popen[str]:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", SLICED, str(source), str(out)]
    return subprocess.Popen(
        command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def test_an_import_killed_midway_goes_on_to_the_same_manifest(
    tmp_path: Path, local_ray: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = write_faces(tmp_path / "UTKFace", each=20), tmp_path / "killed"
    killed = start(source, out)
    while killed.poll() is None and not storage.names(str(out / "shards")):
        time.sleep(0.01)
    os.killpg(killed.pid, signal.SIGKILL)
    _, said = killed.communicate()
    there = {name: (out / "shards" / name).stat().st_mtime_ns for name in storage.names(str(out / "shards"))}
    assert 0 < len(there) < 15, said
    assert not (out / "manifest.json").exists()

    monkeypatch.setattr(ingest, "slice_rows", lambda side, channels: 8)
    whole = import_data("utkface", str(source), str(tmp_path / "whole"), 16)
    assert import_data("utkface", str(source), str(out), 16) == whole
    for name, written in there.items():
        assert (out / "shards" / name).stat().st_mtime_ns == written, "a finished shard was made again"


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    return write_faces(tmp_path / "UTKFace", each=10)


def test_images_and_labels_survive_the_import(faces: Path, tmp_path: Path, local_ray: None) -> None:
    from PIL import Image

    manifest = import_data("utkface", str(faces), str(tmp_path / "out"), size=20)
    dataset = data.load(str(tmp_path / "out"))
    assert len(dataset.examples) == sum(manifest["splits"].values()) == 60
    assert list(dataset.examples["id"]) == sorted(dataset.examples["id"])
    rows = np.array([41, 3, 3])
    for pixels, file in zip(dataset.images(rows), dataset.examples["id"].iloc[rows], strict=True):
        np.testing.assert_array_equal(pixels, np.asarray(Image.open(faces / file)))
        assert f"_{['Male', 'Female'].index(dataset.examples.set_index('id').loc[file, 'gender'])}_" in file


def test_what_cannot_be_used_is_set_aside_and_listed_and_the_rest_goes_on(faces: Path, tmp_path: Path, local_ray: None) -> None:
    files = sorted(faces.iterdir())
    files[0].write_bytes(files[0].read_bytes()[:200])
    twin = faces / files[1].name.replace("20_0_1_", "20_1_1_")
    twin.write_bytes(files[1].read_bytes())
    (faces / "39_1_20170116174525125.jpg.chip.jpg").write_bytes(files[2].read_bytes())
    manifest = import_data("utkface", str(faces), str(tmp_path / "out"), size=16, most_set_aside=0.2)
    aside = dict(manifest["set_aside"])
    assert set(aside) == {files[0].name, "39_1_20170116174525125.jpg.chip.jpg"}
    assert "not a whole image" in aside[files[0].name]
    assert {file for file, _ in manifest["duplicates"]} == {files[1].name, twin.name}
    left = set(data.load(str(tmp_path / "out")).examples["id"])
    assert left == {f.name for f in files[2:]}


def test_too_many_unusable_files_stop_the_import_and_keep_what_was_made(faces: Path, tmp_path: Path, local_ray: None) -> None:
    for file in sorted(faces.iterdir())[:10]:
        file.write_bytes(b"not a picture")
    with pytest.raises(ValueError, match=r"10 of 60 files .* more than the allowed share 0.05"):
        import_data("utkface", str(faces), str(tmp_path / "out"), size=16)
    assert storage.names(str(tmp_path / "out/shards"))
    with pytest.raises(ValueError, match="not yet wholly"):
        data.load(str(tmp_path / "out"))


def test_a_folder_of_another_import_is_refused(faces: Path, tmp_path: Path, local_ray: None) -> None:
    import_data("utkface", str(faces), str(tmp_path / "out"), size=16)
    with pytest.raises(ValueError, match=r"holds another import \(size 16 there, 24 here"):
        import_data("utkface", str(faces), str(tmp_path / "out"), size=24)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.txt").write_text("mine")
    with pytest.raises(ValueError, match="is not empty and holds no import"):
        import_data("utkface", str(faces), str(tmp_path / "photos"), size=16)


def test_a_damaged_shard_is_refused_when_read_and_made_anew_by_a_new_import(
    faces: Path, tmp_path: Path, local_ray: None
) -> None:
    out = str(tmp_path / "out")
    before = import_data("utkface", str(faces), out, size=16)["checksum"]
    shard = next((tmp_path / "out/shards").iterdir())
    good = shard.read_bytes()
    shard.write_bytes(good[:100] + bytes([good[100] ^ 1]) + good[101:])
    with pytest.raises(ValueError, match="is damaged: delete it and import again"):
        data.load(out)
    assert import_data("utkface", str(faces), out, size=16)["checksum"] == before
    assert shard.read_bytes() == good


@pytest.mark.parametrize(
    ("name", "source", "says"),
    [
        ("mnist", "nowhere", "There is no .*nowhere; give --source"),
        ("mnist", ".", "is not MNIST"),
        ("imagenet", ".", "Unknown data set"),
        ("utkface", ".", "is not UTKFace"),
    ],
)
def test_a_wrong_source_is_refused_in_one_sentence_before_anything_is_written(
    name: str, source: str, says: str, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ValueError, match=says):
        import_data(name, str(empty / source), str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_mended_file_is_read_by_the_next_import(faces: Path, tmp_path: Path, local_ray: None) -> None:
    broken = sorted(faces.iterdir())[0]
    good = broken.read_bytes()
    broken.write_bytes(good[:200])
    assert import_data("utkface", str(faces), str(tmp_path / "out"), size=16)["set_aside"]
    broken.write_bytes(good)
    assert not import_data("utkface", str(faces), str(tmp_path / "out"), size=16)["set_aside"]
    assert broken.name in set(data.load(str(tmp_path / "out")).examples["id"])


def test_what_a_worker_cannot_do_ends_the_import_with_its_sentence_and_not_with_pages_of_ray(
    faces: Path, tmp_path: Path, local_ray: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise ValueError("No space left to write a shard: free some.")

    monkeypatch.setattr(ingest, "make_shard", full)
    with pytest.raises(ValueError, match=r"^No space left to write a shard: free some\.$"):
        import_data("utkface", str(faces), str(tmp_path / "out"), size=16)
    monkeypatch.undo()
    assert import_data("utkface", str(faces), str(tmp_path / "out"), size=16)["splits"]


def test_pictures_of_ones_own_are_named_after_their_folder_and_have_the_roles_given(
    faces: Path, tmp_path: Path, local_ray: None
) -> None:
    labels = tmp_path / "my.csv"
    rows = [f"{file.name},{'fm'[k % 2]},{'young' if k < 30 else 'old'}" for k, file in enumerate(sorted(faces.iterdir()))]
    labels.write_text("\n".join(["file,gender,age_band", *rows]))
    given = {"size": 16, "labels": str(labels), "target": "gender", "bias": "age_band"}
    import_data("folder", str(faces), str(tmp_path / "out/mine"), **given)
    mine = data.load(str(tmp_path / "out/mine"))
    assert (mine.name, mine.target, mine.bias, len(mine.examples)) == ("mine", "gender", "age_band", 60)
    with pytest.raises(ValueError, match=r"holds another import \(target gender there, age_band here, bias age_band there"):
        import_data("folder", str(faces), str(tmp_path / "out/mine"), **{**given, "target": "age_band", "bias": "gender"})
    labels.write_text(labels.read_text().replace("young", "younger"))
    with pytest.raises(ValueError, match=r"holds another import \(sources \w+ there"):
        import_data("folder", str(faces), str(tmp_path / "out/mine"), **given)


def test_a_usual_role_spelt_out_is_the_same_import_and_another_replaces_it(
    faces: Path, tmp_path: Path, local_ray: None
) -> None:
    plain = import_data("utkface", str(faces), str(tmp_path / "out"), size=16)
    assert import_data("utkface", str(faces), str(tmp_path / "out"), size=16, target="gender", bias="race") == plain
    other = import_data("utkface", str(faces), str(tmp_path / "other"), size=16, bias="age")
    assert (other["target"], other["bias"]) == ("gender", "age")


@pytest.mark.parametrize(
    ("name", "roles", "says"),
    [
        ("utkface", {"target": "sex"}, "There is no attribute 'sex' for --target; there are: age, gender, race"),
        ("utkface", {"bias": "id"}, "There is no attribute 'id' for --bias"),
        ("utkface", {"bias": "gender"}, "Target and bias are both 'gender'; choose two attributes"),
        ("utkface", {"labels": "my.csv"}, "UTKFace brings its own labels; leave --labels out"),
        ("folder", {"labels": "my.csv", "bias": "b"}, "need a --target: give one of a, b"),
        ("folder", {"labels": "my.csv", "target": "a"}, "need a --bias: give one of a, b"),
    ],
)
def test_wrong_roles_are_refused_before_anything_is_written(
    faces: Path, tmp_path: Path, name: str, roles: dict[str, str], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.csv").write_text("file,a,b\n" + "\n".join(f"{file.name},x,y" for file in faces.iterdir()))
    with pytest.raises(ValueError, match=says):
        import_data(name, str(faces), str(tmp_path / "out"), **roles)
    assert not (tmp_path / "out").exists()


def test_of_a_data_set_those_images_are_imported_that_a_list_names_and_the_others_elsewhere(
    faces: Path, tmp_path: Path, local_ray: None
) -> None:
    names = sorted(p.name for p in faces.iterdir())
    (tmp_path / "few.csv").write_text("\n".join(["file,age", *(f"{name},30" for name in [*names[:7], "elsewhere.jpg"])]))
    few = str(tmp_path / "few.csv")
    import_data("utkface", str(faces), str(tmp_path / "few"), size=16, only=few)
    import_data("utkface", str(faces), str(tmp_path / "others"), size=16, without=few)
    half = tmp_path / "half.csv"
    half.write_text("\n".join(["file", *names[4:9]]))
    import_data("utkface", str(faces), str(tmp_path / "four"), size=16, only=few, without=str(half))
    assert set(data.load(str(tmp_path / "four")).examples["id"]) == set(names[:4])
    parts = [set(data.load(str(tmp_path / part)).examples["id"]) for part in ("few", "others")]
    assert parts == [set(names[:7]), set(names[7:])]


@pytest.mark.parametrize(
    ("rows", "says"), [("name\na.jpg", "has no column 'file'"), ("file\na.jpg", r"names no image of the data set \(a.jpg")]
)
def test_a_list_that_names_nothing_is_refused(rows: str, says: str, faces: Path, tmp_path: Path) -> None:
    (tmp_path / "few.csv").write_text(rows)
    with pytest.raises(ValueError, match=says):
        import_data("utkface", str(faces), str(tmp_path / "out"), size=16, only=str(tmp_path / "few.csv"))
    assert not (tmp_path / "out").exists()


def test_labels_that_a_second_opinion_contradicts_are_left_for_a_person(faces: Path, tmp_path: Path, local_ray: None) -> None:
    files = sorted(p.name for p in faces.iterdir())
    second = [f"{file},{int(file.split('_')[0]) + (30 if k < 3 else 2)}" for k, file in enumerate(files)]
    (tmp_path / "second.csv").write_text("\n".join(["file,age", *second]))
    given = {"size": 16, "second_opinion": str(tmp_path / "second.csv")}
    manifest = import_data("utkface", str(faces), str(tmp_path / "first"), **given)  # type: ignore[arg-type]
    assert [file for file, _ in manifest["waiting"]] == files[:3]
    assert sum(manifest["splits"].values()) == len(files) - 3
    review = tmp_path / "first/review.csv"
    table = pd.read_csv(review)
    table.assign(age=table["age"] + 1).to_csv(review, index=False)
    written = review.read_text()
    import_data("utkface", str(faces), str(tmp_path / "first"), **given)  # type: ignore[arg-type]
    assert review.read_text() == written, "what a person has written was lost"
    settled = import_data("utkface", str(faces), str(tmp_path / "settled"), **given, reviewed=str(review))  # type: ignore[arg-type]
    assert settled["waiting"] == []
    assert sum(settled["splits"].values()) == len(files)


def test_images_without_labels_are_imported_all_the_same(faces: Path, tmp_path: Path, local_ray: None) -> None:
    files = [file.name for file in sorted(faces.iterdir())]
    some, none = tmp_path / "some.csv", tmp_path / "none.csv"
    some.write_text(
        "\n".join(["file,gender,age", *(f"{file},{'fm '[k % 3]},{k if k else ''}" for k, file in enumerate(files))])
    )
    none.write_text("\n".join(["file", *files]))
    manifest = import_data("folder", str(faces), str(tmp_path / "out/some"), 16, labels=str(some), target="gender", bias="age")
    assert manifest["attributes"] == {"gender": {"": 20, "f": 20, "m": 20}, "age": {"low": 1, "high": 59, "": 1}}
    examples = data.load(str(tmp_path / "out/some")).examples
    assert len(examples) == 60
    assert list(examples["age"].isna()) == [True] + [False] * 59
    import_data("folder", str(faces), str(tmp_path / "out/none"), 16, labels=str(none))
    assert data.load(str(tmp_path / "out/none")).attributes == []
    with pytest.raises(ValueError, match="An attribute must be named to take as target; the data set has: none"):
        prepare(data.load(str(tmp_path / "out/none")), Task(target="", bias=""), 0)
    with pytest.raises(ValueError, match="There is no attribute 'gender' for --target; there are: none"):
        import_data("folder", str(faces), str(tmp_path / "out/other"), 16, labels=str(none), target="gender")


def test_what_has_one_attribute_has_no_bias(tmp_path: Path, local_ray: None) -> None:
    for k in range(40):
        image(tmp_path / f"{('Training', 'Validation')[k % 4 == 0]}/{('female', 'male')[k % 2 ^ k // 4 % 2]}/{k}.jpg", k)
    manifest = import_data("kaggle-gender", str(tmp_path), str(tmp_path / "out"), 16)
    assert (manifest["target"], manifest["bias"]) == ("gender", "")
    with pytest.raises(ValueError, match="has no bias attribute of its own: give a --bias; its attributes are: gender"):
        resolve(Task(), data.load(str(tmp_path / "out")))


def test_digits_that_are_coloured_later_keep_their_bias_and_a_folder_may_have_none() -> None:
    digits = pd.DataFrame({"id": ["a"], "digit": ["3"]})
    assert ingest._roles(data.adapters()["mnist"](), digits, None, None) == {"target": "digit", "bias": "colour"}
    two = pd.DataFrame({"id": ["a"], "gender": ["f"], "mood": ["glad"]})
    folder = data.adapters()["folder"]("my.csv")
    assert ingest._roles(folder, two, "gender", "") == {"target": "gender", "bias": ""}
    with pytest.raises(ValueError, match="need a --bias"):
        ingest._roles(folder, two, "gender", None)


def test_of_equal_images_the_one_with_more_labels_stays() -> None:
    twice = pd.DataFrame({"id": ["a", "b", "c"], "hash": ["x", "x", "y"], "gender": ["", "f", "m"], "age": [np.nan, 30, 4]})
    assert importing.duplicates(twice) == [Remark("a", "same image and labels as b")]
    other = twice.assign(gender=["m", "f", "m"])
    assert [remark.file for remark in importing.duplicates(other)] == ["a", "b"]
