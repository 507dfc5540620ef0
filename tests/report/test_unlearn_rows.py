"""Figures of unlearning against their definitions, and what is called hidden."""

import numpy as np
import pandas as pd
import pytest

from biasray.report.unlearn_rows import called_out, rows

N = 400


def table(seed: int, probe: float, own: float, older: float = 0.0, slope: float = 1.0) -> pd.DataFrame:
    """A balanced set: of each attribute value every target equally often; probes right on that share of it. What is said of
    women is older by so much, and moves by `slope` for each year."""
    random = np.random.default_rng(seed)
    value_N, target_N = np.arange(N) % 2, np.arange(N) // 2 % 4
    years_N = 20.0 + 10 * target_N

    def said(share: float) -> np.ndarray:
        return np.where(random.random(N) < share, value_N, 1 - value_N)

    fields = {"set": "balanced", "target": target_N, "value": value_N, "predicted": random.integers(0, 4, N), "years": years_N}
    fields["bins off"] = np.abs(fields["predicted"] - target_N)
    said_years = 40 + slope * (years_N - 40) + older * (value_N == 0) + random.normal(0, 1, N)
    return pd.DataFrame({**fields, "said years": said_years, "own head": said(own), "linear": said(probe), "mlp": said(probe)})


FOUND = {
    "alpha 0": [table(k, 0.9, 0.9, older=5) for k in range(3)],
    "alpha 1": [table(10 + k, 0.8, 0.5) for k in range(3)],
    "alpha 2": [table(20 + k, 0.5, 0.5) for k in range(3)],
    "alpha 3": [table(30 + k, 0.5, 0.2) for k in range(3)],  # its head says the opposite, by chance
}
ROWS = rows("faces", FOUND, ("Female", "Male"))


def row(method: str, metric: str, interval: str = "seeds") -> dict[str, float]:
    (found,) = [r for r in ROWS if (r["method"], r["metric"], r["interval"]) == (method, metric, interval)]
    return found


@pytest.mark.parametrize(
    ("metric", "by_hand"),
    [
        ("accuracy", lambda t: (t["predicted"] == t["target"]).mean()),
        ("accuracy, mean of bins", lambda t: (t["predicted"] == t["target"]).groupby(t["target"]).mean().mean()),
        ("within one bin", lambda t: ((t["predicted"] - t["target"]).abs() <= 1).mean()),
        ("years said a year", lambda t: np.polyfit(t["years"], t["said years"], 1)[0]),
        ("error, years", lambda t: (t["said years"] - t["years"]).abs().mean()),
        (
            "Female over Male, years",
            lambda t: t["said years"][t["value"] == 0].mean() - t["said years"][t["value"] == 1].mean(),
        ),
        ("mlp probe", lambda t: (t["mlp"] == t["value"]).mean()),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_a_figure_is_the_mean_over_seeds_of_its_definition(metric: str, by_hand) -> None:  # type: ignore[no-untyped-def]
    for method, tables in FOUND.items():
        each = [by_hand(t) for t in tables]
        assert row(method, metric)["value"] == pytest.approx(np.mean(each))
        if method != "alpha 0":
            first = [by_hand(t) for t in FOUND["alpha 0"]]
            assert row(method, f"{metric} minus alpha 0")["value"] == pytest.approx(np.mean(each) - np.mean(first))
        for interval in ("seeds", "examples"):
            assert row(method, metric, interval)["low"] < row(method, metric)["value"] < row(method, metric, interval)["high"]


def test_bins_of_other_sizes_count_alike_in_the_mean_of_bins() -> None:
    uneven = table(0, 0.5, 0.5).iloc[: N - 90]
    uneven = uneven[(uneven["target"] == 0) | (np.arange(len(uneven)) % 3 == 0)].assign(predicted=0)
    (found,) = [
        r
        for r in rows("faces", {"one": [uneven]}, ("Female", "Male"))
        if r["metric"] == "accuracy, mean of bins" and r["interval"] == "seeds"
    ]
    assert found["value"] == pytest.approx(1 / 4)


def test_an_attribute_that_its_own_head_has_lost_and_a_fresh_probe_finds_is_called_hidden() -> None:
    (sentence,) = called_out(ROWS, list(FOUND), 0.5)
    assert sentence.startswith("alpha 1 hides more than it unlearnt: its own head is right on")


def test_a_network_that_says_nearly_the_same_of_everyone_is_not_praised_for_a_small_gap() -> None:
    found = {"alpha 0": FOUND["alpha 0"], "alpha 1": [table(40 + k, 0.5, 0.5, older=1, slope=0.3) for k in range(3)]}
    (sentence,) = called_out(rows("faces", found, ("Female", "Male")), ["alpha 1"], 0.5)
    assert sentence.startswith("alpha 1 has unlearnt the target too: it says 0.3")


def test_names_without_an_order_have_no_next_bin() -> None:
    blank = dict.fromkeys(("years", "said years", "bins off"), np.nan)
    found = rows("faces", {"one": [table(0, 0.5, 0.5).assign(**blank)]}, ("Female", "Male"))
    assert {r["metric"] for r in found} == {"accuracy", "accuracy, mean of bins", "own head", "linear probe", "mlp probe"}


def test_a_set_of_a_handful_gives_no_figure() -> None:
    few = {"one": [pd.concat([table(0, 0.5, 0.5), table(0, 0.5, 0.5).iloc[:20].assign(set="complement")])]}
    assert {r["setting"] for r in rows("faces", few, ("Female", "Male"))} == {"balanced"}
