"""Figures of what detectors read, and their page in a real browser."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from biasray.report import detect_page, detect_rows
from biasray.report.detect_rows import INITIALISATION, Found
from biasray.weights.study import Reading
from tests.report.browser import look

ABOUT = {"command": "python -m pipelines.detect", "versions": {"torch": "2"}, "hardware": "h", "date": "2026-11-26"}


def table(right: float, moved: float, n: int = 80, seed: int = 0) -> pd.DataFrame:
    """Of so many members shares that are read rightly, as they are and with their units moved; the others one level off."""
    level, drawn = np.arange(n) % 4, np.random.default_rng(seed)
    off = np.where(level == 3, -1, 1)
    read, shuffled = (np.where(drawn.permutation(n) < share * n, level, level + off) for share in (right, moved))
    return pd.DataFrame(
        {
            "id": [f"m{k:03}" for k in range(n)],
            "level": level,
            "read": read,
            "shuffled": shuffled,
            "seconds": 2.0,
            "trained": 300,
        }
    )


def reading(name: str = "pca-knn", fold: int = 0, seed: int = 0, members: int | None = None) -> Reading:
    return Reading(name, "all", "none", "original", fold, seed, members)


def test_accuracy_and_levels_off_with_their_intervals() -> None:
    (found,) = detect_rows.found({reading(): table(0.75, 0.5)}, 4)
    assert (found.accuracy, found.shuffled, found.chance, found.n, found.mae) == (0.75, 0.5, 0.25, 80, 0.25)
    assert found.chance_mae == 1  # always the second level: 1, 0, 1 and 2 off
    assert (found.interval.low, found.interval.high) == pytest.approx((0.647, 0.835), abs=0.002)  # Jeffreys, 60 of 80
    assert 0.15 < found.mae_interval.low < 0.25 < found.mae_interval.high < 0.36
    assert found.confusion_KK.sum() == 80
    assert np.trace(found.confusion_KK) == 60


def test_folds_are_put_together_and_seeds_are_not_more_members() -> None:
    parts = {reading(fold=k, seed=s): table(0.75, 0.5, seed=s)[k::2] for k in range(2) for s in range(3)}
    (found,) = detect_rows.found(parts, 4)
    assert (found.n, found.seeds, found.accuracy) == (80, 3, 0.75)
    assert found.confusion_KK.sum() == 240
    assert found.interval.high - found.interval.low > 0.15


def test_a_result_that_moved_units_destroy_is_marked_and_no_other() -> None:
    def mark(right: float, moved: float, n: int = 80) -> str:
        return detect_rows.found({reading(): table(right, moved, n)}, 4)[0].mark

    assert [mark(1.0, 0.25), mark(0.6, 0.6), mark(0.25, 0.25)] == [INITIALISATION, "", ""]
    assert mark(1.0, 0.4, 500) == INITIALISATION  # four fifths of what it had are gone
    assert mark(0.9, 0.85, 500) == ""
    barely = detect_rows.found({reading(): table(0.36, 0.32)}, 4)[0]
    assert barely.interval.low > barely.chance > barely.shuffled_interval.low
    assert barely.mark == ""  # what little was lost may be chance


def test_certainty_is_never_total() -> None:
    (found,) = detect_rows.found({reading(): table(1.0, 0.0)}, 4)
    assert found.interval.high == 1
    assert found.interval.low == pytest.approx(0.969, abs=0.002)
    assert found.shuffled_interval.low == 0
    assert found.mae_interval.low == 0
    assert found.mae_interval.high == pytest.approx(0.031, abs=0.002)


def test_folds_that_learn_from_few_and_from_many_models_say_so() -> None:
    parts = {reading(fold=k): table(0.75, 0.5)[k::2].assign(trained=n) for k, n in enumerate((100, 400))}
    (found,) = detect_rows.found(parts, 4)
    assert found.learnt == "100 to 400"


def every() -> list[Found]:
    named = [("pca-knn", 1.0, 0.25), ("statistics-forest", 0.8, 0.8), ("equivariant", 0.6, 0.6)]
    return [detect_rows.found({reading(name): table(*shares)}, 4)[0] for name, *shares in named]


def test_rows_and_text_hold_every_figure() -> None:
    rows = detect_rows.rows("runs/zoo", every())
    assert len(rows) == 15
    assert rows[1]["metric"] == "accuracy, units in another order"
    assert {"data", "method", "setting", "metric", "group", "value", "low", "high", "interval", "n", "seeds", "seconds"} == set(
        rows[0]
    )
    assert INITIALISATION in detect_rows.text(every())


def test_the_page_shows_the_mark_the_controls_and_the_model(tmp_path: Path) -> None:
    number = np.arange(80)
    index = pd.DataFrame({"level": number % 4, "bias": number % 4, "half": np.where(number < 60, "first", "second"), "init": 0})
    index = index.assign(
        bias=[f"level {k}" for k in number % 4], network="digit-cnn", accuracy=0.5 + 0.1 * (number % 4), finite=True
    )
    found, place_M2 = every(), np.random.default_rng(0).normal(size=(80, 2))
    curves = [f._replace(trained=(n, n)) for f in found for n in (40, 80, 300)]
    model = {"file": "x.safetensors", "sentence": "It reads 'high'.", "p": ["0.1"] * 4, "caveats": ["Chance is 25 %."]}
    html = detect_page.render(
        found, curves, {"original": found[1]}, index, place_M2, "t-SNE", "half", "others", model, "checksum", ABOUT
    )
    assert INITIALISATION in html
    assert "All members start from the same weights" in html
    page = tmp_path / "report.html"
    page.write_text(html)
    seen = look(page)
    assert (seen["broken"], seen["flat"]) == (0, 0)
    assert seen["wide"] <= 0
