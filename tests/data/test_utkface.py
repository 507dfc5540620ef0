import io
import re
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from biasray.data import adapters, importing
from biasray.data.utkface import UTKFace

IRREGULAR = {  # names as they are in the published files
    "24_0_1_20170116220224657 .jpg.chip.jpg": (24, "Male", "Black"),
    "55_0_0_20170116232725357jpg.chip.jpg": (55, "Male", "White"),
    "14_0_0_2017011022340900.jpg.chip.jpg": (14, "Male", "White"),
    "28_1_2_201701161846515488.jpg.chip.jpg": (28, "Female", "Asian"),
    "38_0_1_201701162330572788.jpg.chip.jpg": (38, "Male", "Black"),
}
UNUSABLE = [  # no race
    "39_1_20170116174525125.jpg.chip.jpg",
    "61_1_20170109142408075.jpg.chip.jpg",
    "61_1_20170109150557335.jpg.chip.jpg",
]
REGULAR = {
    "1_0_0_20170109190850467.jpg.chip.jpg": (1, "Male", "White"),
    "100_1_2_20170105174847679.jpg.chip.jpg": (100, "Female", "Asian"),
    "116_1_4_20170120134921760.jpg": (116, "Female", "Others"),
    "30_0_3_20170105174847679.jpg.chip.jpg": (30, "Male", "Indian"),
}
WRONG = ["117_0_0_20170109190850467.jpg.chip.jpg", "30_2_0_20170109190850467.jpg", "30_0_5_20170109190850467.jpg", "face.jpg"]


def jpeg(seed: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(out, "JPEG")
    return out.getvalue()


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    folder = tmp_path / "aligned faces"  # the blank is deliberate
    folder.mkdir()
    for seed, name in enumerate([*REGULAR, *IRREGULAR, *UNUSABLE, *WRONG]):
        (folder / name).write_bytes(jpeg(seed))
    (folder / "readme.txt").write_text("not a face")
    return folder


def test_labels_are_read_from_regular_and_irregular_names(faces: Path) -> None:
    rows = UTKFace().index(str(faces)).rows.set_index("id")
    for name, labels in {**REGULAR, **IRREGULAR}.items():
        assert tuple(rows.loc[name, ["age", "gender", "race"]]) == labels
    assert len(rows) == len(REGULAR) + len(IRREGULAR)


def test_irregular_names_are_noted_and_regular_ones_are_not(faces: Path) -> None:
    noted = UTKFace().index(str(faces)).noted
    assert sorted(r.file for r in noted) == sorted(IRREGULAR)
    assert noted[0].reason == "irregular name, read as age 14, Male, White"


def test_names_without_all_labels_or_out_of_range_are_set_aside(faces: Path) -> None:
    set_aside = {r.file: r.reason for r in UTKFace().index(str(faces)).set_aside}
    assert sorted(set_aside) == sorted([*UNUSABLE, *WRONG])
    assert set_aside[UNUSABLE[0]] == "its name is not AGE_GENDER_RACE_STAMP.jpg, so a label is missing or out of range"
    assert set_aside[WRONG[0]] == "age 117 is above 116"


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_faces_with_blanks_in_their_names_are_imported(faces: Path, tmp_path: Path, scheme: str) -> None:
    source, out = f"{scheme}{faces}", f"{scheme}{tmp_path}/out"
    rows = UTKFace().index(source).rows
    shard = importing.make_shard(UTKFace(), source, rows, 0, 16, out)
    assert (shard.set_aside, shard.rows) == ([], len(rows))
    assert importing.images_of(importing.read_shard(out, shard.file, images=True), (3, 16, 16)).std() > 10


def test_a_folder_without_faces_is_not_utkface(tmp_path: Path) -> None:
    for source in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ValueError, match=r"is not UTKFace: it holds no \.jpg files; give the folder of the aligned faces"):
            UTKFace().index(str(source))


def test_utkface_is_found_by_its_name() -> None:
    assert adapters()["utkface"] is UTKFace


def test_of_the_real_names_eight_are_irregular_and_three_unusable(shared: Path, tmp_path: Path) -> None:
    with tarfile.open(shared / "data" / "utkface" / "utkface_subset.tar") as tar:
        names = [Path(m.name).name for m in tar if m.isfile()]
    for name in names:
        (tmp_path / name).touch()
    found = UTKFace().index(str(tmp_path))
    assert (len(names), len(found.rows)) == (6067, 6064)
    assert sorted(r.file for r in found.set_aside) == UNUSABLE
    assert sorted(r.file for r in found.noted) == sorted(IRREGULAR)
    assert found.rows["id"].is_unique
    for row in found.rows.itertuples():
        age, gender, race = re.split(r"[_.]", row.id)[:3]
        assert (row.age, row.gender) == (int(age), ["Male", "Female"][int(gender)])
        assert row.race == ["White", "Black", "Asian", "Indian", "Others"][int(race)]


def test_of_the_real_faces_the_duplicates_are_those_known(shared: Path) -> None:
    labels, hashes = [], []
    with tarfile.open(shared / "data" / "utkface" / "utkface_subset.tar") as tar:
        for member in tar:
            file = tar.extractfile(member) if member.isfile() else None
            if file:
                labels.append(Path(member.name).name)
                hashes.append(importing.storage.checksum(file.read()))
    parts = [name.split("_") for name in labels]
    table = importing.pd.DataFrame({"id": labels, "hash": hashes, "split": "train"})
    table["age"], table["gender"], table["race"] = ([p[k] for p in parts] for k in range(3))
    found = importing.duplicates(table.sort_values("id"))
    equal = [r for r in found if r.reason.startswith("same image and labels as ")]
    left = table[~table["id"].isin([r.file for r in found])]
    groups = table[table["hash"].duplicated(keep=False)].groupby("hash")
    assert len(equal) == 10
    assert groups.ngroups == 30
    assert left["hash"].is_unique
    assert len(left) == 6067 - 10 - sum(len(g) for _, g in groups if g[["age", "gender", "race"]].nunique().max() > 1)
