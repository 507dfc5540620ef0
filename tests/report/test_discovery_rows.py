from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from biasray.report import discovery

TRAIN_TB = np.array([[45, 5], [5, 45]])
FIELDS = {"data": "d", "method": "lff", "setting": "", "seconds": 1.0}


def epoch(number: int, aligned: int, conflicting: int, n: tuple[int, int] = (100, 50), stage: str = "fit") -> dict[str, Any]:
    judged = {
        "aligned": {"n": n[0], "wrong": aligned, "loss": 2.0 * n[0]},
        "conflicting": {"n": n[1], "wrong": conflicting, "loss": 3.0 * n[1]},
    }
    return {"stage": stage, "epoch": number, "exposed": {"biased": judged}, "training": judged}


def rows(histories: Sequence[discovery.History]) -> dict[tuple[str, str], discovery.Row]:
    return {(r["metric"], r["interval"]): r for r in discovery.rows(FIELDS, histories, TRAIN_TB)}


def test_figures_are_those_of_the_last_epoch_that_exposes_and_of_the_second() -> None:
    later = {"stage": "debias", "epoch": 1, "exposed": {}, "training": epoch(1, 0, 0)["training"]}
    found = rows([[epoch(1, 90, 10), epoch(2, 20, 40), epoch(3, 10, 25), later]])
    assert found["bias_accuracy", "seeds"]["value"] == pytest.approx((0.9 + 0.5) / 2)
    assert found["bias_accuracy after epoch 2", "seeds"]["value"] == pytest.approx((0.8 + 0.8) / 2)
    assert found["conflicting_precision", "seeds"]["value"] == pytest.approx(0.5 * 10 / (0.5 * 10 + 0.1 * 90))
    assert {(r["group"], r["n"], r["seeds"]) for r in found.values()} == {("biased", 150, 1)}
    assert found["bias_accuracy", "seeds"]["low"] is None


def test_two_epochs_have_no_earlier_figure() -> None:
    assert not any("after" in metric for metric, _ in rows([[epoch(1, 9, 9), epoch(2, 9, 9)]]))


def test_an_interval_over_examples_holds_the_truth_also_near_the_end_of_the_scale() -> None:
    drawn, held = np.random.default_rng(0), 0
    for _ in range(200):
        wrong = drawn.binomial(100, 0.005), drawn.binomial(50, 0.99)
        row = rows([[epoch(1, *wrong)]])["bias_accuracy", "examples"]
        assert row["low"] <= row["value"] <= row["high"]
        held += row["low"] <= (0.995 + 0.99) / 2 <= row["high"]
    assert held >= 175  # of a bootstrap 120


def test_a_figure_over_seeds_is_their_mean() -> None:
    found = rows([[epoch(1, 10, 20)], [epoch(1, 10, 30)]])
    assert found["conflicting_recall", "seeds"]["value"] == pytest.approx(0.5)
    assert found["conflicting_recall", "seeds"]["low"] == 0  # Student's t with one degree of freedom, within [0, 1]


def test_what_has_no_conflicting_examples_and_what_finds_none_has_no_figure_to_show() -> None:
    assert rows([[epoch(1, 5, 0, (100, 0))]]) == {}
    assert ("conflicting_precision", "seeds") not in rows([[epoch(1, 0, 0)]])


def test_losses_are_those_of_the_last_stage() -> None:
    assert discovery.losses([epoch(1, 1, 1, stage="poison"), epoch(1, 1, 1)]) == {"aligned": [2.0], "conflicting": [3.0]}
