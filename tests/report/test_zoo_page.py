"""The figures of a zoo, and its page in a real browser."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from biasray.report import zoo_page, zoo_rows
from tests.report.browser import look

ABOUT = {"command": "python -m pipelines.zoo digits", "versions": {"torch": "2"}, "hardware": "h", "date": "2026-11-25"}
COMMON = {"finite": True, "network": "digit-cnn", "images": 100, "precision": "bf16", "seed": 0, "data": "c"}


def digits(members: int = 40) -> pd.DataFrame:
    number = np.arange(members)
    level, noise = 0.02 + 0.01 * (number % 4), np.random.default_rng(0).normal(0, 0.01, members)
    table = pd.DataFrame(
        {"level": level, "bias": [f"level {k}" for k in number % 4], "half": np.where(number < 30, "first", "second")}
    )
    accuracy = 0.4 + 0.1 * (number % 4) + noise
    figures = {"accuracy": accuracy, "conflicting_accuracy": accuracy - 0.05, "colour_score": accuracy}
    return table.assign(init=number, jitter=number, **figures, **COMMON)


def faces(slope: float = -3.0, members: int = 66) -> pd.DataFrame:
    number, random = np.arange(members), np.random.default_rng(0)
    share = (number % 11) / 10
    table = pd.DataFrame(
        {"level": share, "bias": [f"Male {s:g}" for s in share], "share Male": share, "share Female": 1 - share}
    )
    male, female = 8 + slope * share + random.normal(0, 0.3, members), 8 + random.normal(0, 0.3, members)
    errors = {"age_mae": (male + female) / 2, "age_mae Male": male, "age_mae Female": female}
    guess = {"guess_age_mae": 9.0, "guess_age_mae Male": 9.5 - share, "guess_age_mae Female": 8.5}
    return table.assign(attribute="gender", targets="age", shuffled=0.1, **errors, **guess, **COMMON)


def test_means_and_their_order_by_family_and_level() -> None:
    found = zoo_rows.rows(digits(), ["accuracy"])
    assert [(r.family, r.n) for r in found] == [("digit-cnn, first half", n) for n in (8, 8, 7, 7)] + [
        ("digit-cnn, second half", n) for n in (2, 2, 3, 3)
    ]
    assert found[0].value == pytest.approx(0.4, abs=0.01)
    assert found[0].mean.low < found[0].value < found[0].mean.high
    assert found[0].middle.low < found[0].mean.low
    assert zoo_rows.ordered(found) == {"digit-cnn, first half": True, "digit-cnn, second half": True}
    table = digits()
    table.loc[table["level"] == 0.02, "accuracy"] = 0.9
    assert not any(zoo_rows.ordered(zoo_rows.rows(table, ["accuracy"])).values())


def test_members_that_are_not_finite_are_in_no_figure() -> None:
    table = digits()
    table.loc[0, ["finite", "accuracy"]] = [False, np.nan]
    assert zoo_rows.rows(table, ["accuracy"])[0].n == 7
    assert "1 member was set aside" in zoo_page.render(table, [], ABOUT)


def test_a_zoo_of_which_nothing_stayed_finite_has_a_page_that_says_so() -> None:
    html = zoo_page.render(digits().assign(finite=False), [], ABOUT)
    assert "40 members were set aside" in html
    assert "strictly ordered" not in html


def test_hyperparameters_are_not_mixed() -> None:
    table = digits().assign(half="first", shuffled=np.arange(40) // 20 * 0.5, weight_decay=0.0)
    assert {r.family for r in zoo_rows.rows(table, ["accuracy"])} == {"digit-cnn, shuffled 0.0", "digit-cnn, shuffled 0.5"}


def test_a_figure_that_some_members_lack_is_the_mean_of_the_others() -> None:
    table = digits()
    table.loc[0, "colour_score"] = np.nan
    first = zoo_rows.rows(table, ["colour_score"])[0]
    assert (first.n, np.isfinite(first.value)) == (7, True)


def test_too_few_members_say_nothing_of_a_trend() -> None:
    (trend,) = zoo_rows.trends(faces(members=5))
    assert (trend.interval.low, trend.interval.high) == (-1, 1)


def test_the_gap_falls_with_the_share_of_the_group_whose_error_it_is() -> None:
    (trend,) = zoo_rows.trends(faces())
    assert (trend.gap, trend.share, trend.n) == ("age_mae, Male minus Female", "Male", 66)
    assert trend.spearman < -0.9
    assert trend.interval.low <= trend.spearman <= trend.interval.high < -0.8
    assert trend.low.low > trend.high.high  # the ends are apart
    assert trend.guess == pytest.approx((-1, 1, 0))
    (none,) = zoo_rows.trends(faces(slope=0.0))
    assert none.interval.low < 0 < none.interval.high


def test_of_three_groups_each_is_held_against_all() -> None:
    table = faces().rename(columns=lambda name: name.replace("Female", "Asian")).assign(**{"share other": 0.2})
    assert list(zoo_rows.gaps(table)) == ["age_mae, Male minus all", "age_mae, Asian minus all"]


@pytest.mark.parametrize(("index", "drawings", "says"), [(digits(), 3, "strictly ordered"), (faces(), 1, "Spearman")])
def test_the_page_shows_in_a_browser_what_it_says(index: pd.DataFrame, drawings: int, says: str, tmp_path: Path) -> None:
    program = {"network": "digit-cnn", "images": 100, "batch": 8, "epochs": 1, "optimiser": "adam"}
    way = {"precision": "bf16", "packed": "grouped", "width": 8, "speeds": [{"memory": 1_234_000_000}]}
    html = zoo_page.render(index, [{**program, **way}], ABOUT)
    assert len(re.findall("<svg", html)) == drawings
    (tmp_path / "report.html").write_text(html)
    seen = look(tmp_path / "report.html")
    assert (seen["broken"], seen["flat"]) == (0, 0)
    assert seen["wide"] <= 0
    assert says in seen["text"]
    assert "1,234" in seen["text"]  # MB of memory
