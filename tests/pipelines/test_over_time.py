"""Shares of women over the years, from what a classifier says of frames."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from biasray import storage
from biasray.report.time_rows import rows
from pipelines.cli import parse
from pipelines.over_time import Config, main
from tests.pipelines.files import csv

RIGHT = {"Female": 0.6, "Male": 0.95}  # shares that the classifier is right about
WOMEN = {("News", 2010): 0.2, ("News", 2015): 0.5, ("Quiz", 2010): 0.4}


def said(gender_N: np.ndarray, drawn: np.random.Generator) -> np.ndarray:
    right_N = drawn.random(len(gender_N)) < np.where(gender_N == "Female", RIGHT["Female"], RIGHT["Male"])
    return np.where(right_N, gender_N, np.where(gender_N == "Female", "Male", "Female"))


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """Frames of programmes and years with known shares of women, and what was measured of the classifier that told them."""
    drawn, frames = np.random.default_rng(1), []
    for (programme, year), women in WOMEN.items():
        for day in range(60):
            gender_N = np.where(drawn.random(20) < women, "Female", "Male")
            date = pd.Timestamp(year, 1, 1) + pd.Timedelta(days=day)
            frames += [{"programme": programme, "date": date.date().isoformat(), "gender": g} for g in said(gender_N, drawn)]
    labels = np.resize(["Female", "Male"], 2000)
    measured = pd.DataFrame({"gender": labels, "said": said(labels, drawn)})
    return csv(tmp_path / "frames.csv", pd.DataFrame(frames)), csv(tmp_path / "measured.csv", measured)


def test_shares_are_corrected_for_how_the_classifier_errs(
    files: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = main(parse(Config, ["--frames", files[0], "--measured", files[1], "--out", str(tmp_path / "out")]))
    at = {(r["programme"], r["year"], r["metric"]): r for r in told}
    for (programme, year), women in WOMEN.items():
        raw, corrected = at[programme, year, "share as said"], at[programme, year, "share, corrected"]
        assert corrected["low"] < women < corrected["high"]
        assert raw["value"] == pytest.approx(women * 0.6 + (1 - women) * 0.05, abs=0.03)
        assert corrected["high"] - corrected["low"] > raw["high"] - raw["low"]  # the correction is not for nothing
        assert (raw["n"], raw["days"]) == (1200, 60)
    change = at["News", 2015, "change from the first year to the last, corrected"]
    assert change["low"] < 0.3 < change["high"]
    assert "News" in capsys.readouterr().out
    html = (tmp_path / "out/report.html").read_text()
    assert "gender: the share of Female over the years" in html
    assert storage.read_json(str(tmp_path / "out/results.json"))["rows"] == told


def test_runs_have_each_a_folder_of_their_own_below_storage(files: tuple[str, str], tmp_path: Path) -> None:
    line = ["--frames", files[0], "--measured", files[1], "--storage", str(tmp_path / "all")]
    for of in ("Female", "Male", "Female"):
        main(parse(Config, [*line, "--of", of]))
    folders = sorted((tmp_path / "all").iterdir())
    assert len(folders) == 2
    assert all(folder.name.startswith("over-time-") and (folder / "report.html").exists() for folder in folders)


def test_faces_of_one_day_are_not_many_and_of_few_nothing_is_said(files: tuple[str, str], tmp_path: Path) -> None:
    frames = pd.read_csv(files[0])
    alike = frames.assign(gender=np.where(frames["date"].str[-2:].astype(int) % 2 == 0, "Female", "Male"))
    few = pd.DataFrame({"programme": "Film", "date": "2011-05-05", "gender": ["Female"] * 12})
    day = pd.DataFrame({"programme": "Gala", "date": "2011-05-05", "gender": ["Female", "Male"] * 20})
    given = csv(tmp_path / "alike.csv", pd.concat([alike, few, day]))
    told = main(parse(Config, ["--frames", given, "--measured", files[1], "--out", str(tmp_path / "out")]))
    (news,) = [r for r in told if (r["programme"], r["year"], r["metric"]) == ("News", 2010, "share as said")]
    assert news["high"] - news["low"] == pytest.approx(2 * 1.96 * np.sqrt(0.25 / 60), rel=0.15)  # 60 days, not 1,200 faces
    assert all(r["low"] is None for r in told if r["programme"] == "Gala")
    assert "Film" not in {r["programme"] for r in told}
    assert "12 faces are of years with fewer than 30." in (tmp_path / "out/report.html").read_text()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"frames": "programme,date\nNews,2010-01-01\n"}, "has no column 'gender'; it has: programme, date"),
        ({"frames": "programme,date,gender\nNews,spring,Male\n"}, "'spring' is no date; write it as 2019-04-01"),
        ({"frames": "programme,date,gender\nNews,2010-01-01,0\n"}, "gender '0' is none of Female, Male, the values of"),
        ({"frames": "programme,date,gender\nNews,2010-01-01,Male\n"}, "No programme has a year with 30 faces"),
        ({"measured": "gender,said\nMale,1\nFemale,0\n"}, "said '0' is none of Female, Male; write answers as labels"),
        ({"measured": "gender,said\nMale,Male\n"}, "--of Female: "),
        ({"measured": "gender,said\nMale,Male\nFemale,Male\n"}, "does not depend on the class"),
    ],
)
def test_bad_input_is_one_sentence(files: tuple[str, str], tmp_path: Path, change: dict[str, str], said: str) -> None:
    given = dict(zip(("frames", "measured"), files, strict=True))
    for name, text in change.items():
        (tmp_path / f"bad {name}.csv").write_text(text)
        given[name] = str(tmp_path / f"bad {name}.csv")
    with pytest.raises(ValueError, match=re.escape(said)) as error:
        main(parse(Config, ["--frames", given["frames"], "--measured", given["measured"], "--out", str(tmp_path / "out")]))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("days", [8, 12, 40])
def test_intervals_over_days_hold_the_truth_as_often_as_they_say(days: int) -> None:
    drawn, held, exact = np.random.default_rng(0), 0, np.array([[10**6, 0], [0, 10**6]])
    for _ in range(150):
        share_D = drawn.beta(4, 6, days)  # of women, on each day
        frames = pd.DataFrame(
            {
                "programme": "News",
                "year": 2010,
                "day": np.repeat(np.arange(days), 20),
                "said": np.where(drawn.random(20 * days) < np.repeat(share_D, 20), "Female", "Male"),
            }
        )
        (row,) = [r for r in rows(frames, exact, ("Female", "Male"), "Female", 30) if r["metric"] == "share as said"]
        held += row["low"] <= 0.4 <= row["high"]
    assert held / 150 > 0.9


def test_what_is_not_known_of_the_classifier_is_not_counted_twice_in_a_change() -> None:
    one = pd.DataFrame({"programme": "News", "day": np.repeat(np.arange(40), 20), "said": ["Female", "Male"] * 400})
    frames = pd.concat([one.assign(year=2010), one.assign(year=2015)])
    found = {r["metric"]: r for r in rows(frames, np.array([[90, 10], [10, 90]]), ("Female", "Male"), "Female", 30)}
    change = found["change from the first year to the last, corrected"]
    assert change["high"] - change["low"] < 0.02
    share = found["share, corrected"]
    assert share["high"] - share["low"] > 0.05
