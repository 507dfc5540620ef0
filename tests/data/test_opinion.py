"""Labels against another model's predictions: what waits for a person, and what a person says."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from biasray.data.adapter import Index, Remark
from biasray.data.opinion import Compared, compared

ROWS = pd.DataFrame(
    {
        "id": ["a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg"],
        "split": ["test"] * 5,
        "age": [30, 41, 52, 63, 20],
        "gender": ["Male", "Female", "Male", "Female", "Male"],
    }
)


def check(
    tmp_path: Path, opinion: str, reviewed: str | None = None, tolerance: float = 5, rows: pd.DataFrame = ROWS
) -> Compared:
    (tmp_path / "second.csv").write_text(opinion)
    if reviewed is not None:
        (tmp_path / "reviewed.csv").write_text(reviewed)
    last = str(tmp_path / "reviewed.csv") if reviewed is not None else None
    return compared(Index(rows, [Remark("x", "broken")], []), str(tmp_path / "second.csv"), tolerance, last)


def test_labels_that_the_second_opinion_contradicts_wait_and_those_it_does_not_know_are_counted(tmp_path: Path) -> None:
    opinion = "file,age,gender,mood\na.jpg,35,Male,glad\nb.jpg,47,Female,sad\nc.jpg,52.5,Female,sad\nd.jpg,,Female,\n"
    found = check(tmp_path, opinion)
    assert list(found.kept.rows["id"]) == ["a.jpg", "d.jpg", "e.jpg"]  # d: it is silent about the age
    assert found.kept.set_aside == [Remark("x", "broken")]
    assert found.reasons == [
        Remark("b.jpg", "age 41, 47 by the second opinion"),
        Remark("c.jpg", "gender Male, Female by the second opinion"),
    ]
    assert found.alone == 1
    assert found.review.to_dict("list") == {
        "file": ["b.jpg", "c.jpg"],
        "age": [41, 52],
        "gender": ["Female", "Male"],
        "second age": ["47", "52.5"],
        "second gender": ["Female", "Female"],
    }
    assert len(check(tmp_path, opinion, tolerance=6).reasons) == 1


def test_ages_may_be_in_bins_on_either_side(tmp_path: Path) -> None:
    opinion = "file,age\na.jpg,30-39\nb.jpg,50-59\nc.jpg,50-59\nd.jpg,60-69\ne.jpg,more than 70\n"
    assert [r.file for r in check(tmp_path, opinion).reasons] == ["b.jpg", "e.jpg"]
    bins = ROWS.assign(age=["30-39", "40-49", "50-59", "60-69", "20-29"])
    assert [r.file for r in check(tmp_path, opinion, rows=bins).reasons] == ["b.jpg", "e.jpg"]


def test_an_attribute_that_it_leaves_blank_everywhere_is_not_compared(tmp_path: Path) -> None:
    found = check(tmp_path, "file,age,gender\na.jpg,31,\nb.jpg,99,\n")
    assert [r.file for r in found.reasons] == ["b.jpg"]


def test_more_than_70_holds_every_higher_age(tmp_path: Path) -> None:
    rows = ROWS.assign(age=["more than 70", "more than 70", "60-69", "20-29", "20-29"])
    assert [r.file for r in check(tmp_path, "file,age\na.jpg,88\nb.jpg,60\nc.jpg,more than 70\n", rows=rows).reasons] == [
        "b.jpg",
        "c.jpg",
    ]


@pytest.mark.parametrize("tolerance", [-1, float("nan"), float("inf")])
def test_a_tolerance_that_is_none_is_refused(tmp_path: Path, tolerance: float) -> None:
    with pytest.raises(ValueError, match="--tolerance must be 0 or more"):
        check(tmp_path, "file,age\na.jpg,30\n", tolerance=tolerance)


def test_what_a_person_has_settled_counts_unchecked(tmp_path: Path) -> None:
    opinion = "file,age,gender\na.jpg,35,Male\nb.jpg,47,Female\nc.jpg,52,Female\n"
    review = check(tmp_path, opinion).review
    review.loc[review["file"] == "b.jpg", "age"] = 45
    found = check(tmp_path, opinion, review.to_csv(index=False))
    assert not found.reasons
    assert found.kept.rows.set_index("id")["age"].to_dict() == {"a.jpg": 30, "b.jpg": 45, "c.jpg": 52, "d.jpg": 63, "e.jpg": 20}
    assert found.kept.rows["age"].dtype == ROWS["age"].dtype


@pytest.mark.parametrize(
    ("opinion", "reviewed", "says"),
    [
        ("image,age\na.jpg,3\n", None, "needs a column 'file' and one or more of age, gender; it has image, age."),
        ("file,mood\na.jpg,glad\n", None, "needs a column 'file' and one or more of age, gender; it has file, mood."),
        ("file,age\nq.jpg,3\n", None, r"names no image of the data set \(q.jpg is none\); such is a.jpg."),
        ("file,age\na.jpg,3\na.jpg,4\n", None, "names 1 files twice"),
        ("file,gender\na.jpg,Man\nb.jpg,Woman\n", None, r"share no value of 'gender' \(Man, Male\): write them the same way."),
        ("file,age\na.jpg,30\nb.jpg,unknown\n", None, "age 'unknown' is no number and no range; leave it blank"),
        ("file,age\na.jpg,30\n", "file,age\na.jpg,old\n", "reviewed.csv: age 'old' is no whole number."),
        ("file,age\na.jpg,30\n", "file,age\na.jpg,30.5\n", "reviewed.csv: age '30.5' is no whole number."),
        ("file,age\na.jpg,30\n", "file,gender\na.jpg,male\n", "reviewed.csv: gender 'male' is none of Female, Male."),
        ("file,age\na.jpg,30\n", "file,gender\na.jpg,\n", "reviewed.csv: gender '' is none of Female, Male."),
    ],
)
def test_a_csv_that_says_nothing_is_refused_in_one_sentence(
    tmp_path: Path, opinion: str, reviewed: str | None, says: str
) -> None:
    with pytest.raises(ValueError, match=says) as raised:
        check(tmp_path, opinion, reviewed)
    assert "\n" not in str(raised.value)


def test_what_has_no_label_is_not_contradicted(tmp_path: Path) -> None:
    rows = ROWS.assign(age=[30, np.nan, 52, 63, 20], gender=["Male", "", "Male", "Female", "Male"])
    found = check(tmp_path, "file,age,gender\na.jpg,50,Male\nb.jpg,47,Female\nc.jpg,52,Female\n", rows=rows)
    assert [remark.file for remark in found.reasons] == ["a.jpg", "c.jpg"]
    with pytest.raises(ValueError, match="share no value of 'gender'"):
        check(tmp_path, "file,gender\na.jpg,m\nb.jpg,\n", rows=rows)
