import numpy as np
import pandas as pd
import pytest
from scipy import stats

from biasray import metrics
from biasray.metrics.interval import holm
from biasray.report import headline
from biasray.report.results import Row, outcome, rows

TARGETS, BIASES = ("cat", "dog"), ("bright", "dark")


def predictions(seed: int, wrong_if_conflicting: float, n: int = 400) -> pd.DataFrame:
    """Test examples that are the same for all seeds, and predictions that fail on this share of the conflicting ones."""
    target_N, bias_N = np.arange(n) % 2, np.arange(n) // 2 % 2
    wrong_N = np.random.default_rng(seed).random(n) < np.where(target_N == bias_N, 0.05, wrong_if_conflicting)
    return pd.DataFrame({"id": np.arange(n).astype(str), "target": target_N, "bias": bias_N, "predicted": target_N ^ wrong_N})


def comparison(seeds: int = 3, others: int = 1) -> list[Row]:
    train_TB = np.array([[90, 10], [10, 90]])
    found = [
        outcome(method, "", [predictions(7 * k + s, wrong) for s in range(seeds)], train_TB, [1.0] * seeds)
        for k, (method, wrong) in enumerate((("erm", 0.5), ("other", 0.2), ("other 1", 0.3), ("other 2", 0.5))[: 1 + others])
    ]
    return rows("pets", found, TARGETS, BIASES, aligned=True)


def one(found: list[Row], **where: str) -> Row:
    (row,) = [r for r in found if all(r[k] == v for k, v in where.items())]
    return row


def test_every_figure_has_both_intervals_n_and_the_number_of_seeds() -> None:
    found = comparison()
    figures = {(r["method"], r["metric"], r["group"]) for r in found}
    assert len(found) == 2 * len(figures)
    for r in found:
        assert set(r) - {"p"} == {
            "data",
            "method",
            "setting",
            "metric",
            "group",
            "value",
            "low",
            "high",
            "interval",
            "n",
            "seeds",
            "seconds",
        }
        assert r["low"] <= r["value"] + 1e-9
        assert r["value"] <= r["high"] + 1e-9
        assert r["seeds"] == 3
    for name in metrics.found():
        assert one(found, method="erm", metric=name, group="all", interval="examples")["n"] == 400
        assert one(found, method="other", metric=f"{name} minus erm", interval="seeds")


def test_values_are_the_mean_over_seeds_of_what_the_predictions_say() -> None:
    found = comparison()
    each = [predictions(s, 0.5) for s in range(3)]
    right = [(p["target"] == p["predicted"]).groupby([p["target"], p["bias"]]).mean() for p in each]
    assert one(found, method="erm", metric="accuracy", group="cat, dark", interval="seeds")["value"] == pytest.approx(
        np.mean([r.loc[0, 1] for r in right])
    )
    bias = [np.mean([abs(r.loc[t, 0] - r.loc[t, 1]) for t in (0, 1)]) for r in right]
    assert one(found, method="erm", metric="model_bias", interval="seeds")["value"] == pytest.approx(np.mean(bias))
    conflicting = one(found, method="erm", metric="accuracy", group="conflicting", interval="examples")
    assert conflicting["n"] == 200
    assert conflicting["value"] == pytest.approx(np.mean([r.loc[[(0, 1), (1, 0)]].mean() for r in right]))


def test_differences_are_paired_by_seed() -> None:
    found = comparison()
    difference = one(found, method="other", metric="model_bias minus erm", interval="seeds")
    own, base = (one(found, method=m, metric="model_bias", interval="seeds")["value"] for m in ("other", "erm"))
    assert difference["value"] == pytest.approx(own - base)
    assert difference["high"] < 0


def test_pairing_takes_out_what_the_seeds_share() -> None:
    """Two methods that rise and fall together by seed differ surely, though each varies much."""
    train_TB, wrong = np.ones((2, 2), int), (0.1, 0.4, 0.7)
    base = [predictions(s, w) for s, w in enumerate(wrong)]
    worse = [p.assign(predicted=p["predicted"].where(p.index % 10 > 0, 1 - p["target"])) for p in base]
    found = rows(
        "pets", [outcome("erm", "", base, train_TB, [1.0]), outcome("x", "", worse, train_TB, [1.0])], TARGETS, BIASES, True
    )
    alone = one(found, method="x", metric="accuracy", group="all", interval="seeds")
    paired = one(found, method="x", metric="accuracy minus erm", interval="seeds")
    assert paired["high"] - paired["low"] < 0.25 * (alone["high"] - alone["low"])
    assert paired["high"] < 0


def test_a_single_seed_has_no_interval_over_seeds() -> None:
    found = comparison(seeds=1)
    row = one(found, method="erm", metric="accuracy", group="all", interval="seeds")
    assert row["low"] is None
    assert row["high"] is None
    said = headline.text(found, {})
    assert "one seed" in said
    assert "p: paired" not in said


def test_the_training_weighted_average_weighs_by_training_and_the_group_average_does_not() -> None:
    found = comparison()
    weighted = one(found, method="erm", metric="training_weighted_average", interval="seeds")["value"]
    plain = one(found, method="erm", metric="group_average", interval="seeds")["value"]
    assert weighted - plain > 0.1  # aligned groups are nine times as large in training, and easier


def test_seeds_that_were_tested_on_other_examples_are_not_mixed() -> None:
    with pytest.raises(AssertionError, match="other examples"):
        outcome("erm", "", [predictions(0, 0.5), predictions(1, 0.5, n=200)], np.ones((2, 2), int), [1.0])


def test_the_headline_names_values_and_intervals_in_per_cent() -> None:
    found = comparison()
    lines = headline.text(found, {}).splitlines()
    assert [c.strip() for c in lines[0].split("|")[1:-1]] == [
        "method", "group average", "worst group", "model bias", "group average minus erm", "model bias minus erm",
    ]  # fmt: skip
    value = one(found, method="other", metric="group_average", interval="seeds")
    assert f"{100 * value['value']:.1f} ({100 * value['low']:.1f} to {100 * value['high']:.1f})" in lines[3]
    assert lines[-1].startswith("Per cent, mean and 95 % interval over 3 seeds; n = 400 test examples; p: paired t test")
    lines = headline.text(found, {("other", "group_average"): 82.57}).splitlines()
    assert f"{100 * value['high']:.1f}; paper 82.57)" in lines[3]


def shift(method: str) -> list[float]:
    """By seed: how much higher the method's group average is than the baseline's."""
    wrong = {"erm": (0, 0.5), "other": (1, 0.2), "other 1": (2, 0.3), "other 2": (3, 0.5)}

    def average(name: str, seed: int) -> float:
        k, share = wrong[name]
        p = predictions(7 * k + seed, share)
        return float((p["target"] == p["predicted"]).groupby([p["target"], p["bias"]]).mean().mean())

    return [average(method, s) - average("erm", s) for s in range(3)]


def test_the_p_of_a_difference_is_corrected_for_the_number_of_methods() -> None:
    few, more = comparison(), comparison(others=3)
    metric = "group_average minus erm"
    alone = one(few, method="other", metric=metric, interval="seeds")["p"]
    each = {r["method"]: r["p"] for r in more if r["metric"] == metric and r["interval"] == "seeds"}
    assert set(each) == {"other", "other 1", "other 2"}
    raw = {m: stats.ttest_1samp(shift(m), 0).pvalue for m in each}
    assert alone == pytest.approx(raw["other"])
    assert each == pytest.approx(dict(zip(raw, holm(list(raw.values())), strict=True)))
    assert each["other"] > alone
    assert all("p" not in r for r in more if r["interval"] == "examples" or "minus" not in r["metric"])
