"""Classifiers on data sets, by groups."""

import numpy as np
import pandas as pd
import pytest

from biasray.report.cross_page import Shown, render, text
from biasray.report.cross_rows import ACCURACY, ALL, BEHIND, RATIO, Answered, at, failed, hidden, rows


def answered(women: float, men: float, n: int = 600, seeds: int = 3, black: float | None = None, seed: int = 0) -> Answered:
    """Faces of which so many are told rightly; of Black faces, a fifth of all, another share."""
    drawn = np.random.default_rng(seed)
    gender = np.array(["Female", "Male"])[np.arange(n) % 2]
    race = np.where(np.arange(n) // 2 % 5 == 0, "Black", "White")
    share_N = np.where(gender == "Female", women, men)
    if black is not None:
        share_N = np.where(race == "Black", black, share_N)
    other = np.where(gender == "Female", "Male", "Female")
    said_SN = np.where(drawn.random((seeds, n)) < share_N, gender, other).astype(object)
    return Answered("mine", "there", pd.DataFrame({"gender": gender, "race": race}), said_SN)


def judged(*found: Answered) -> list[dict[str, object]]:
    return rows(found, "gender", ("gender", "race", "mood"), 30)


def test_accuracy_of_groups_and_its_intervals() -> None:
    one = answered(0.7, 0.9)
    found = judged(one)
    women = at(found, "mine", "there", "Female", ACCURACY)
    assert women
    assert women["value"] == pytest.approx((one.said_SN[:, ::2] == "Female").mean())
    assert (women["n"], women["seeds"]) == (300, 3)
    assert women["high"] - women["low"] == pytest.approx(2 * 1.96 * np.sqrt(0.7 * 0.3 / 300), rel=0.1)
    ratio = at(found, "mine", "there", ALL, RATIO)
    assert ratio
    assert ratio["value"] == pytest.approx(0.7 / 0.9, abs=0.04)
    assert ratio["low"] < ratio["value"] < ratio["high"]


def test_an_average_that_hides_a_failure_is_found_and_its_parts_are_not_repeated() -> None:
    found = judged(answered(0.6, 1.0, seeds=1))
    assert [r["group"] for r in hidden(found)] == ["Female"]
    assert {"Female", "Female, White"} <= {r["group"] for r in failed(found)}
    deep = judged(answered(0.98, 0.99, black=0.5))
    assert [r["group"] for r in hidden(deep)] == ["Black"]  # which says it of Black women and men


def test_a_group_of_which_nothing_is_right_is_failed() -> None:
    assert [r["group"] for r in hidden(judged(answered(0.0, 1.0)))] == ["Female"]


def test_groups_that_differ_by_chance_are_rarely_failed() -> None:
    wrong = 0
    for seed in range(60):
        wrong += bool(failed(judged(answered(0.8, 0.8, seeds=1, seed=seed))))
    assert wrong <= 7  # 5 % of 60 are 3


def test_equal_accuracies_lie_inside_the_interval_of_the_ratio() -> None:
    held = 0
    for seed in range(40):
        ratio = at(judged(answered(0.9, 0.9, seeds=1, seed=seed)), "mine", "there", ALL, RATIO)
        assert ratio
        held += ratio["high"] == 1
    assert held >= 30


def test_values_that_two_attributes_have_are_told_apart() -> None:
    one = answered(0.5, 1.0)
    women_N = one.examples["gender"] == "Female"
    yes = one.examples.assign(hat=np.where(women_N, "yes", "no"), glasses=np.where(women_N, "no", "yes"))
    found = rows([one._replace(examples=yes)], "gender", ("gender", "hat", "glasses"), 30)
    assert {r["group"] for r in found if r["setting"] == "hat"} == {"hat no", "hat yes"}
    assert {"hat yes", "glasses no", "Female"} <= {r["group"] for r in failed(found)}
    assert "glasses yes" not in {r["group"] for r in failed(found)}


def test_p_is_corrected_for_all_groups_of_all_classifiers_together() -> None:
    alone = judged(answered(0.75, 0.8))
    beside = judged(answered(0.75, 0.8), *(answered(0.8, 0.8)._replace(classifier=f"other {k}") for k in range(9)))
    p = {
        len(found): next(r["p"] for r in found if (r["metric"], r["group"]) == (BEHIND, "Female")) for found in (alone, beside)
    }
    assert p[len(alone)] < p[len(beside)]


def test_the_page_says_first_what_averages_hide() -> None:
    about = {"command": "python -m pipelines.cross_audit", "versions": {"torch": "2"}, "hardware": "h", "date": "2026-11-29"}
    shown = Shown("gender", ("Female", "Male"), ["mine"], ["there"], ("gender", "race"), 30, ["mine: by hand"], [])
    html = render(judged(answered(0.7, 1.0)), shown, [], about)
    assert html.index("Averages that hide a failure") < html.index("Every classifier on every data set")
    assert 'of <b class="worst">Female</b>, n = 300' in html
    assert "Averages that hide a failure:\nmine on there: 8" in text(judged(answered(0.7, 1.0)))
    fair = render(judged(answered(0.9, 0.9)), shown, [], about)
    assert "No average was found to hide a group" in fair
    assert "Averages that hide" not in fair
