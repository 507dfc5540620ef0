"""One self-contained page about an attribute that was unlearnt: what it cost, and whether it is gone."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray

from biasray.bias.extreme import BALANCED
from biasray.report import unlearn_plots
from biasray.report.results import Row
from biasray.report.unlearn_rows import READERS, called_out, span, spelt


class Shown(NamedTuple):
    """What the page is made from besides the rows."""

    examples: pd.DataFrame  # of the divided data set
    unlearning: tuple[str, ...]  # methods, without those that are not to unlearn
    target: str  # their column
    attribute: str
    values: tuple[str, ...]  # of the attribute
    place_N2: Mapping[str, NDArray[np.float64]]  # by method: representations of the balanced set in a plane, first seed
    value_N: NDArray[np.int64]  # of the attribute, there
    duel_ST2: Mapping[str, NDArray[np.float64]]  # by method: losses by seed and time
    epochs: int
    settings: Mapping[str, str]  # by method
    seconds: Mapping[str, float]


def render(rows: Sequence[Row], shown: Shown, failed: Sequence[str], about: Mapping[str, Any]) -> str:
    """HTML; `rows` are those of `unlearn_rows`."""
    chance = float(np.bincount(shown.value_N).max() / len(shown.value_N))
    page = Environment(loader=PackageLoader("biasray.report", "."), undefined=StrictUndefined, autoescape=True)
    parts = list(dict.fromkeys(r["setting"] for r in rows))
    told, left = ([r for r in rows if (r["metric"].split(" minus ")[0] in READERS) == reads] for reads in (False, True))
    return page.get_template("unlearn.html.j2").render(
        title=f"Unlearning {shown.attribute}",
        lead=f"Networks that tell {shown.target} and are to forget {shown.attribute}.",
        tables=[(f"{part} set", *_table(told, part)) for part in parts],
        left=_table(left, BALANCED)[1:],
        seeming=called_out(rows, shown.unlearning, chance),
        chance=f"{100 * chance:.0f}",
        attribute=shown.attribute,
        sets=Markup(unlearn_plots.sets(shown.examples, shown.target, shown.attribute)),
        trade=Markup(unlearn_plots.trade(rows, chance)),
        planes=Markup(unlearn_plots.planes(shown.place_N2, shown.value_N, shown.values)),
        duels=Markup(unlearn_plots.duels(shown.duel_ST2, shown.epochs, float(np.log(len(shown.values))))),
        settings=shown.settings,
        seconds={method: f"{value:.0f}" for method, value in shown.seconds.items()},
        failed=failed,
        balanced=BALANCED,
        commonest={part: f"{100 * share:.0f}" for part, share in _commonest(shown).items()},
        about=about,
    )


def _commonest(shown: Shown) -> dict[str, float]:
    """By set the share of its commonest target."""
    tested = shown.examples[shown.examples["set"] != ""]
    return {str(part): float(mine[shown.target].value_counts(normalize=True).iloc[0]) for part, mine in tested.groupby("set")}


def _table(rows: Sequence[Row], part: str) -> tuple[int, list[str], list[tuple[str, list[dict[str, Any]]]]]:
    """Number of examples, metrics, and by method a cell for each of them."""
    mine = [r for r in rows if r["setting"] == part]
    metrics = list(dict.fromkeys(r["metric"] for r in mine if " minus " not in r["metric"]))
    methods = list(dict.fromkeys(r["method"] for r in mine))
    found: dict[tuple[str, str], list[Row]] = {}
    for r in mine:
        found.setdefault((r["method"], r["metric"]), []).append(r)
    lines = []
    for method in methods:
        cells = []
        for metric in metrics:
            by_examples, by_seeds = found[method, metric]
            change = found.get((method, f"{metric} minus {methods[0]}"))
            cells.append(
                {
                    "value": spelt({**by_seeds, "low": None}),
                    "spans": [f"{r['interval']} {span(r)}" for r in (by_examples, by_seeds) if r["low"] is not None],
                    "change": spelt(change[1]) if change else "",
                    "clear": bool(change) and all(r["low"] is not None and r["low"] * r["high"] > 0 for r in change or ()),
                }
            )
        lines.append((method, cells))
    return mine[0]["n"], metrics, lines
