"""What is said of repairs, and its page in a real browser."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from biasray.report import repair_page, repair_rows
from biasray.report.repair_rows import better, pair, rows, setting
from biasray.weights.repair import WAYS
from biasray.zoo.digits import LEVELS
from tests.report.browser import look

ABOUT = {"command": "python -m pipelines.repair", "versions": {"torch": "2"}, "hardware": "h", "date": "2026-11-26"}
MEMBERS = [f"m{k}" for k in range(12)]


def changed(accuracy: float, score: float, spread: float = 0.002) -> dict[str, Any]:
    def figure(mean: float, before: float) -> dict[str, Any]:
        by = mean + spread * np.linspace(-1, 1, len(MEMBERS))
        ends = {"low": mean - spread, "high": mean + spread}
        return {
            "before": before, "change": mean, "by member": by.tolist(), "members": {"n": 12, **ends},
            "digits": {"n": 500, **ends}, "counted": 0.8,
        }  # fmt: skip

    return {"accuracy": figure(accuracy, 0.6), "colour score": figure(score, 0.5)}


def way(accuracy: float, score: float, control: tuple[float, float] | None = None, steps: int = 5) -> dict[str, Any]:
    members = [
        {
            "id": name,
            "level": list(LEVELS)[k % 4],
            "before": 0.6,
            "after": 0.6 + accuracy,
            "read_before": k % 4,
            "read_after": 3,
        }
        for k, name in enumerate(MEMBERS)
    ]
    found = {"change": changed(accuracy, score)} | ({"beyond control": changed(*control)} if control else {})
    tried = [{"size": 0.005, "steps": s, "accuracy": 0.6} for s in range(steps)]
    return {
        "size": 0.005,
        "steps": steps,
        "accuracy": 0.6 + accuracy,
        "tried": tried,
        "members": members,
        "seconds": 3.0,
        **found,
    }


FOUND = {
    "reset-layer": way(-0.4, 0.3, steps=1),
    "fgsm": way(0.02, 0.01, (0.015, 0.008)),
    "gradient": way(0.001, 0.001),
    "fine-tune": way(0.03, 0.02),
}
WHERE = {
    "layers": [
        {"name": name, "share": {"value": v, "low": v - 0.02, "high": v + 0.02}, "lost": {"value": v, "low": 0, "high": 2 * v},
         "gradient": [[v, 0.0, v / 2], [0.0, v, v]], "agreement": [[1.0, 0.2, 0.2], [0.3, 0.2, 0.2]]}
        for name, v in (("body.0.weight", 0.2), ("head.weight", 0.8))
    ],
    "found": "head.weight", "sure": True, "right": 6, "right_shuffled": 3, "n": 12,
}  # fmt: skip
INDEX = pd.DataFrame({"level": list(LEVELS), "bias": list(LEVELS.values()), "network": "digit-cnn", "init": [0, 0, 0, 0]})


def test_rows_hold_both_intervals_and_a_p_that_counts_the_ways() -> None:
    found = rows("zoo", FOUND)
    members, digits = pair(found, "gradient", "accuracy", "change") or pytest.fail("no such rows")
    assert (members["n"], digits["n"], members["value"], members["before"]) == (12, 500, 0.001, 0.6)
    alone = pair(rows("zoo", {"gradient": FOUND["gradient"]}), "gradient", "accuracy", "change")
    assert alone
    assert members["p"] == pytest.approx(alone[0]["p"])  # the largest of four is corrected least
    first = pair(rows("zoo", {"fgsm": way(0.001, 0), "gradient": way(0.001, 0)}), "fgsm", "accuracy", "change")
    assert first
    assert first[0]["p"] == pytest.approx(2 * alone[0]["p"])
    assert pair(found, "fine-tune", "accuracy", "beyond control") is None


def test_a_network_that_is_destroyed_is_not_called_better_for_its_colour_score() -> None:
    found = rows("zoo", FOUND)
    assert better(found, "fgsm", "accuracy", "change")
    assert better(found, "fgsm", "colour score", "beyond control")
    assert not better(found, "gradient", "accuracy", "change")  # within the interval
    assert not better(found, "reset-layer", "colour score", "change")


def test_a_setting_is_named_as_its_way_names_it() -> None:
    assert setting("fgsm", FOUND["fgsm"]) == "size 0.005, 5 steps"
    assert setting("fine-tune", FOUND["fine-tune"]) == "learning rate 0.005, 5 steps"
    assert setting("reset-units", way(0, 0, steps=2)) == "share of the units 0.005"
    assert setting("reset-layer", FOUND["reset-layer"]) == ""


def test_the_table_for_the_terminal_has_changes_in_points() -> None:
    said = repair_rows.text(rows("zoo", FOUND))
    assert "+2.0 (1.8 to 2.2)" in said
    assert "learns from digits" in said


def test_every_way_of_repair_is_explained() -> None:
    assert all(any(name.startswith(said) for said in repair_page.WHAT) for name in WAYS)


@pytest.mark.parametrize("where", [WHERE, None], ids=["", "where the bias sits is not known"])
def test_the_page_is_drawn(where: dict[str, Any] | None, tmp_path: Path) -> None:
    html = repair_page.render(FOUND, rows("zoo", FOUND), where, INDEX, "conv1x1, learnt from 40 others", "abc", ABOUT)
    (tmp_path / "page.html").write_text(html)
    seen = look(tmp_path / "page.html")
    assert (seen["broken"], seen["flat"]) == (0, 0)
    assert seen["wide"] <= 0
    said = "Most of the bias is found in head.weight, whose exchange among members costs it the most accuracy"
    assert (said in seen["text"]) == (where is not None)
    assert "or lose more than 10 points of accuracy: reset-layer, fine-tune." in seen["text"]
    assert html.count("value clear") == 6
