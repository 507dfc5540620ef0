"""The page about several levels of bias, in a real browser."""

from pathlib import Path

import pytest

from biasray.report import levels
from biasray.report.results import Row
from tests.report.browser import look

ABOUT = {"command": "python -m pipelines.debias", "versions": {"torch": "2"}, "hardware": "h", "date": "2026-11-26"}


def rows() -> list[Row]:
    shared = {"interval": "seeds", "seeds": 3, "n": 9}
    values = {"group_average": 0.7, "model_bias": 0.2, "worst_group": 0.1}
    out = [
        {**shared, "agreement": a, "method": m, "metric": metric, "group": "all", "value": v, "low": v - 0.1, "high": v + 0.1}
        for a in (0.5, 0.95)
        for m in ("erm", "lff")
        for metric, v in values.items()
    ]
    found = {"metric": "bias_accuracy", "group": "biased", "value": 0.876, "low": None, "high": None}
    return [*out, {**shared, **found, "agreement": 0.95, "method": "lff"}]


@pytest.mark.parametrize("width", [1000, 400])
def test_it_shows_each_metric_at_each_level_and_leads_to_its_page(width: int, tmp_path: Path) -> None:
    text = levels.render(rows(), {0.5: "agreement-0.5/report.html", 0.95: "agreement-0.95/report.html"}, "Digits", ABOUT)
    (tmp_path / "report.html").write_text(text)
    seen = look(tmp_path / "report.html", width)
    assert (seen["broken"], seen["flat"]) == (0, 0)
    assert seen["wide"] <= 0
    for told in ("agreement 0.95", "lff: biased", "87.6", "one seed", "60.0 to 80.0", "model bias"):
        assert told in seen["text"]
    assert 'href="agreement-0.5/report.html"' in text
    assert text.index("agreement 0.95") < text.index("agreement 0.5<")  # most biased first


def test_lines_go_from_the_most_biased_to_the_least_whatever_the_order_of_the_rows() -> None:
    shown = [[r for r in rows() if r["metric"] == "group_average"], []]
    shown[1] = sorted(shown[0], key=lambda r: -r["agreement"])
    lines = [levels.curves({"group_average": levels.by_method(found, "group_average")}, [0.95, 0.5]) for found in shown]
    assert lines[0] == lines[1]


def test_a_ratio_is_of_conflicting_to_aligned() -> None:
    assert levels.ratio(0.8) == pytest.approx(0.25)
    assert levels.ratio(1.0) == 0
