"""Rows of a search, and its page in a real browser."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from biasray.report import results, tuning
from biasray.report.results import Row
from biasray.space import Range
from tests.report.browser import look

DEFAULT_S, TUNED_S = [0.50, 0.55, 0.52], [0.60, 0.66, 0.61]


def outcomes() -> list[results.Outcome]:
    table = pd.DataFrame({"id": ["a", "b", "c", "d"], "target": [0, 0, 1, 1], "bias": [0, 1, 0, 1]})
    predictions = [table.assign(predicted=[0, 1, 1, 1])] * 3
    return [results.outcome(m, "q=1", predictions, np.ones((2, 2), int), [1.0] * 3) for m in ("default", "tuned")]


def rows(tuned_S: list[float]) -> list[Row]:
    found = outcomes()
    validated = tuning.rows("digits", found, [*DEFAULT_S, *tuned_S], "validation worst group", 90)
    return [*validated, *results.rows("digits", found, ("x", "y"), ("u", "v"), True, against="default")]


def test_scores_on_validation_are_compared_by_seed() -> None:
    default, tuned, gain = rows(TUNED_S)[:3]
    assert (default["value"], tuned["value"]) == (pytest.approx(np.mean(DEFAULT_S)), pytest.approx(np.mean(TUNED_S)))
    paired = stats.ttest_rel(TUNED_S, DEFAULT_S)
    assert gain["metric"] == "validation worst group minus default"
    assert gain["p"] == pytest.approx(paired.pvalue)
    assert (gain["low"], gain["high"]) == pytest.approx(tuple(paired.confidence_interval(0.95)))


def test_a_gain_that_may_be_none_is_called_so() -> None:
    assert tuning.verdict(rows(TUNED_S)) == "The tuned setting beats the default on validation."
    assert "does not surely beat" in tuning.verdict(rows([0.4, 0.6, 0.6]))
    assert "is worse than the default" in tuning.verdict(rows([0.3, 0.35, 0.33]))
    assert "The default stays" in tuning.verdict(rows(DEFAULT_S))
    single = tuning.rows("digits", outcomes(), [0.5, 0.6], "validation worst group", 90)
    assert tuning.verdict(single) == "With one seed nothing can be said of the gain."


@pytest.mark.parametrize("width", [1000, 400])
def test_the_page_shows_trials_and_figures_and_fits_the_window(width: int, tmp_path: Path) -> None:
    trials: list[dict[str, Any]] = [
        {"settings": {"q": 0.3 + k / 100, "n": 2.0 + k}, "score": 0.7 - k / 100, "epochs": 3 if k < 9 else 1, "failure": None}
        for k in range(15)
    ]
    trials.append({"settings": {"q": 0.5, "n": 9}, "score": None, "epochs": 0, "failure": "The loss is not finite."})
    base = {
        "method": "lff", "data_name": "digits", "network": "mlp", "epochs": 3, "seed": 100,
        "task": {"validation": "balanced"}, "settings": {"q": 0.7, "n": None},
    }  # fmt: skip
    about = {"command": "python -m pipelines.tune", "versions": {"torch": "2"}, "hardware": "h", "date": "2026-11-26"}
    told = {"way": "asha", "objective": "worst-group"}
    finalists = [{"settings": trials[k]["settings"], "scores": [0.6, 0.7 - k / 10]} for k in (1, 0)]
    finalists.append({"settings": base["settings"], "scores": [0.5, 0.52]})
    ranges = {"q": Range(0.3, 0.9), "n": Range(1, 60, log=True)}
    html = tuning.render(rows(TUNED_S), base, ranges, trials, finalists, told, about)
    (tmp_path / "report.html").write_text(html)
    seen = look(tmp_path / "report.html", width)
    assert (seen["broken"], seen["flat"]) == (0, 0)
    assert seen["wide"] <= 0
    for said in (
        "16 trials by asha",
        "The loss is not finite.",
        "The best 12 of 16",
        "were read to choose",
        "62.3",
        "each trained with the same 3 other seeds",
        "65.0",
        "by itself",
        "51.0",
    ):
        assert said in seen["text"]
