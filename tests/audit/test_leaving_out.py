from typing import Any

import numpy as np
import pandas as pd
import pytest

from biasray.audit.estimators import found
from biasray.audit.figures import Figure
from biasray.audit.games import GAMES
from biasray.audit.study import PRIVATE, PUBLIC, Fit, Pool, half_widths, left_out, orders, sampled
from biasray.report.study_rows import COVERED, ERROR, HALF, REFUSED, STOPPED, WITHIN, rows, worth
from tests.audit.references import references

BLACK = Figure("race", "Black", "all")
BUDGETS = (5, 20)


@pytest.fixture(scope="module")
def pool() -> Pool:
    answer_RN, bias_RT, architecture_R, _ = references(figures=2)
    names = [f"net {a}" for a in architecture_R]
    levels = [f"{level:.0f}" for level in bias_RT[:, 0]]
    about = pd.DataFrame({"id": [f"{k:03d}" for k in range(len(names))], "network": names, "bias": levels})
    return Pool(answer_RN, bias_RT, [Figure("gender", "Male", "Female"), BLACK], about)


@pytest.mark.parametrize("name", found())
def test_the_references_that_are_left_out_are_told_by_the_others_alone(name: str, pool: Pool) -> None:
    fit = Fit("net 1", name, "chosen", 0)
    table = left_out(fit, pool, BUDGETS)
    assert len(table) == 40 * 2 * 2 * (1 + len(GAMES))
    assert set(table["network"]) == {"net 1"}
    out_R = (pool.about["network"] == "net 1").to_numpy()
    first = np.flatnonzero(out_R)[0]
    others_R1 = (out_R & (np.arange(len(out_R)) != first))[:, None]
    mixed = pool._replace(
        truth_RT=np.where(out_R[:, None], 99.0, pool.truth_RT), answer_RN=np.where(others_R1, -50.0, pool.answer_RN)
    )
    again = left_out(fit, mixed, BUDGETS)
    mine = (table["id"] == pool.about["id"][first]).to_numpy()
    assert (again["estimate"] == table["estimate"])[mine].all()
    assert (again["half"] == table["half"]).all()
    assert (again["truth"] == 99).all()


def test_an_interval_is_as_wide_as_it_takes_for_the_architecture_that_is_told_worst(pool: Pool) -> None:
    noise_RT = np.where((pool.about["network"] == "net 1").to_numpy()[:, None], 1.0, 0.0)
    noisy = pool._replace(truth_RT=pool.truth_RT + noise_RT * np.random.default_rng(0).normal(size=pool.truth_RT.shape))
    fit = Fit("", "ridge", "chosen", 0)
    asked = orders(fit, noisy)
    alone = {name: half_widths(fit, noisy, BUDGETS, {name: images}) for name, images in asked.items()}
    assert (half_widths(fit, noisy, BUDGETS, asked) == alone["net 1"]).all()
    assert (alone["net 1"] > alone["net 0"]).all()


def test_a_study_tells_how_far_off_each_way_is_and_how_often_its_intervals_hold(pool: Pool) -> None:
    fits = [Fit(f"net {a}", name, "chosen", 0) for a in range(3) for name in ("ridge", "kernel")]
    fits += [Fit(f"net {a}", "ridge", "random", draw) for a in range(3) for draw in range(2)]
    fits += [Fit(f"net {a}", "local", "in turn", 0) for a in range(3)]
    told = rows("zoo", pd.concat([left_out(fit, pool, BUDGETS) for fit in fits]), "age")
    error = {(r["method"], r["choice"], r["budget"]): r for r in told if (r["metric"], r["group"]) == (ERROR, BLACK.name)}
    assert error["ridge", "chosen", 5]["value"] < error["ridge", "random", 5]["low"]
    assert (error["ridge", "random", 5]["n"], error["ridge", "random", 5]["seeds"]) == (120, 2)
    worse = next(r for r in told if r["metric"] == f"{ERROR} minus ours" and (r["choice"], r["budget"]) == ("random", 5))
    assert worse["p"] < 0.01
    assert worse["low"] > 0
    held = {r["group"]: r["value"] for r in told if (r["metric"], r["method"], r["budget"]) == (COVERED, "kernel", 20)}
    assert set(held) >= {BLACK.name, f"{BLACK.name}, net 0"}
    assert 0.8 <= held[BLACK.name] <= 1
    stopped = {(r["metric"], r["within"]): r for r in told if r.get("within") and r["group"] == BLACK.name}
    answers = [stopped[STOPPED, within]["value"] for within in WITHIN["age"]]
    assert answers == sorted(answers)
    assert stopped[HALF, 0.7]["value"] <= 0.7
    assert 0.8 <= stopped[COVERED, 0.7]["value"] <= 1
    assert {r["budget"] for r in told if r["choice"] == "in turn"} == {*BUDGETS, None}
    games = {r["metric"]: r["value"] for r in told if (r["method"], r["choice"], r["budget"]) == ("kernel", "chosen", 20)}
    assert games[f"{ERROR}, labels only"] > 1.5 * games[ERROR]
    assert games[f"{REFUSED}, the usual answers"] == 1
    assert games[f"{ERROR}, the usual answers"] > 1.5 * games[ERROR]
    assert games[REFUSED] < 0.3


def test_a_leaked_sample_is_as_far_off_as_sampling_makes_it(pool: Pool) -> None:
    drawn = np.random.default_rng(0)
    examples = pd.DataFrame({"gender": np.repeat(["Male", "Female"], 2000)})
    error_RP = drawn.normal(5, 2, (len(pool.about), 4000))
    gender = pool._replace(figures=pool.figures[:1], truth_RT=np.zeros((len(pool.about), 1)))
    table = sampled(PRIVATE, error_RP, examples, gender, [100], 50)
    expected = np.sqrt(2 / np.pi) * 2 * np.sqrt(1 / 50 + 1 / 50)  # of a simple random sample, audit.md
    assert table["estimate"].abs().mean() == pytest.approx(expected, rel=0.05)


def test_a_sample_without_a_group_is_drawn_again(pool: Pool) -> None:
    examples = pd.DataFrame({"race": ["Black"] * 20 + ["White"] * 180})
    black = pool._replace(figures=[BLACK], truth_RT=pool.truth_RT[:, 1:])
    table = sampled(PRIVATE, np.ones((len(pool.about), 200)), examples, black, [3], 10)
    assert np.isfinite(table["estimate"]).all()


def test_a_group_that_is_too_rare_to_be_drawn_is_named_and_a_sample_of_all_images_is_none(pool: Pool) -> None:
    examples = pd.DataFrame({"race": ["Black"] + ["White"] * 99_999})
    black = pool._replace(figures=[BLACK], truth_RT=pool.truth_RT[:, 1:])
    error_RP = np.ones((len(pool.about), len(examples)))
    with pytest.raises(ValueError, match="Black - all: 2 images drawn at random hold no image of a group"):
        sampled(PRIVATE, error_RP, examples, black, [2], 1)
    assert sampled(PRIVATE, error_RP, examples, black, [len(examples)], 1).empty


def test_what_answers_are_worth_is_told_in_images_that_would_be_annotated() -> None:
    def row(method: str, choice: str, budget: int, value: float) -> dict[str, Any]:
        return {"method": method, "choice": choice, "budget": budget, "value": value, "group": "g", "metric": ERROR}

    leaked = [row(PRIVATE, "random", n, 10 / n**0.5) for n in (10, 100)]
    public = [row(PUBLIC, "random", n, 5 / n**0.25) for n in (10, 100)]
    found = [row("kernel", "chosen", 80, 0.5), *leaked, *public]
    said = "80 answers tell as much as some 400 leaked private images, and as much as more than 100 annotated public ones."
    assert worth(found, "g", 80) == said
    assert worth([row("kernel", "chosen", 80, 2.0), *leaked, *public], "g", 80).endswith("as 100 annotated public ones.")
    assert worth(leaked, "g", 80) == ""
