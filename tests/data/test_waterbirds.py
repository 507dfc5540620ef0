from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from biasray.data import adapters

HEADER = "img_id,img_filename,y,split,place,place_filename"
ROWS = ["1,001.Auk/a.jpg,1,0,1,/o/1.jpg", "2,001.Auk/b.jpg,1,1,0,/f/2.jpg", "3,002.Wren/c.jpg,0,2,0,/f/3.jpg"]


def write(folder: Path, rows: list[str]) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metadata.csv").write_text("\n".join([HEADER, *rows]))
    for row in rows:
        file = folder / row.split(",")[1]
        file.parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((20, 30, 3), 90, np.uint8)).save(file)
    return str(folder)


def test_birds_places_and_splits_are_read(tmp_path: Path) -> None:
    rows = adapters()["waterbirds"]().index(write(tmp_path, ROWS)).rows
    assert list(rows["bird"]) == ["waterbird", "waterbird", "landbird"]
    assert list(rows["place"]) == ["water", "land", "land"]
    assert list(rows["split"]) == ["train", "validation", "test"]
    assert rows["id"][0] == "001.Auk/a.jpg"


def test_the_canonical_metadata_has_its_known_groups(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its images are not at hand; the groups are those of Sagawa et al. 2020."""
    monkeypatch.setattr("biasray.data.waterbirds.beside", lambda table, source: (table, []))
    rows = adapters()["waterbirds"]().index(str(shared / "data/waterbirds")).rows
    assert len(rows) == 11788
    n = rows[rows["split"] == "train"].groupby(["bird", "place"]).size()
    assert [n["landbird", "land"], n["landbird", "water"], n["waterbird", "land"], n["waterbird", "water"]] == [
        3498,
        184,
        56,
        1057,
    ]


@pytest.mark.parametrize(
    ("row", "says"), [("1,a.jpg,2,0,1,x", "y 2, which is none of 0, 1"), ("1,a.jpg,1,3,1,x", "split 3, which is none")]
)
def test_a_code_that_is_none_is_named(row: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=says):
        adapters()["waterbirds"]().index(write(tmp_path, [row]))


def test_what_is_not_waterbirds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds no metadata.csv"):
        adapters()["waterbirds"]().index(str(tmp_path))
    (tmp_path / "metadata.csv").write_text("img_filename,y\na.jpg,1")
    with pytest.raises(ValueError, match="has no column place, split"):
        adapters()["waterbirds"]().index(str(tmp_path))
