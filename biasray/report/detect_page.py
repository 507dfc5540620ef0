"""One self-contained page about what detectors read from the weights of a zoo."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray

from biasray.report import detect_plots, zoo_plots
from biasray.report.detect_rows import Found
from biasray.weights.study import Split

WHAT: dict[Split, str] = {
    "random": "Five folds of members drawn at random: those that are tested have much in common with the others.",
    "group": "Folds that share no {group}: what is read holds for members of another one.",
    "original": "Learnt from members of one half of the images, tested on those of the other.",
    "adapted": "Learnt from 80 % of the models of {other}, tested on the rest; fine-tuned: after all others.",
    "re-shuffled": "Learnt from 70 % of the members of each half of the images, tested on the other 30 %.",
}


def render(
    every: Sequence[Found],
    curves: Sequence[Found],
    oracles: Mapping[Split, Found],
    index: pd.DataFrame,
    place_M2: NDArray[np.float64] | None,
    plane: str,
    group: str,
    other: str,
    model: Mapping[str, Any] | None,
    zoo: str,
    about: Mapping[str, Any],
) -> str:
    """HTML of the figures of each split, with its oracle; `plane` is how models were put in it, `group` what parts groups,
    `other` which models were adapted to, `model` what was read from a model of somebody's, `zoo` the checksum of its
    manifest."""
    index = index if "bias" in index else index.assign(bias=index["level"].astype(str))  # of models of others
    names = level_names(index)
    page = Environment(loader=PackageLoader("biasray.report", "."), undefined=StrictUndefined, autoescape=True)
    return page.get_template("detect.html.j2").render(
        title="Bias read from weights",
        lead=f"{len(index):,} models of {len(names)} levels of bias ({', '.join(names)}), {index['network'].iloc[0]}.",
        model=model,
        names=names,
        splits=[
            _split(split, every, oracles.get(split), names, group, other) for split in dict.fromkeys(f.split for f in every)
        ],
        curve=Markup(detect_plots.curve(curves)) if curves else None,
        embedding=None if place_M2 is None else Markup(detect_plots.embedding(place_M2, index, names)),
        plane=plane,
        accuracy=Markup(zoo_plots.levels(index, "accuracy", "accuracy, %", 100.0)) if "accuracy" in index else None,
        limits=limits(index),
        zoo=zoo,
        about=about,
    )


def level_names(index: pd.DataFrame) -> list[str]:
    named = index.drop_duplicates("level").sort_values("level")
    return [str(name) for name in (named["bias"] if "bias" in named else named["level"])]


def _split(
    split: Split, every: Sequence[Found], oracle: Found | None, names: Sequence[str], group: str, other: str
) -> dict[str, Any]:
    mine = [f for f in every if f.split == split]
    best = max(mine, key=lambda f: f.shuffled)
    return {
        "title": f"{split.capitalize()} split",
        "what": WHAT[split].format(group=group, other=other),
        "chance": f"{100 * best.chance:.1f} % and {best.chance_mae:.2f} levels off",
        "plot": Markup(detect_plots.accuracies(mine, oracle)),
        "rows": [_row(f) for f in [*mine, *([oracle] if oracle else [])]],
        "confusion": Markup(detect_plots.confusion(best, names)),
    }


def _row(f: Found) -> dict[str, str]:
    def parts(value: float, low: float, high: float, digits: int) -> tuple[str, str]:
        return f"{value:.{digits}f}", f"{low:.{digits}f} to {high:.{digits}f}"

    accuracy, interval = parts(100 * f.accuracy, 100 * f.interval.low, 100 * f.interval.high, 1)
    shuffled, shuffled_interval = parts(100 * f.shuffled, 100 * f.shuffled_interval.low, 100 * f.shuffled_interval.high, 1)
    mae, mae_interval = parts(f.mae, f.mae_interval.low, f.mae_interval.high, 2)
    return {
        "detector": f.detector,
        "setting": f.setting,
        "accuracy": accuracy,
        "interval": interval,
        "shuffled": shuffled,
        "shuffled_interval": shuffled_interval,
        "mae": mae,
        "mae_interval": mae_interval,
        "n": f"{f.learnt} / {f.n:,}" + (f", {f.seeds} seeds" if f.seeds > 1 else ""),
        "seconds": f"{f.seconds:.1f}",
        "mark": f.mark,
    }


def limits(index: pd.DataFrame) -> list[str]:
    """What a reader must not take from this page, a sentence each."""
    said = [
        "What is read from models made on purpose need not hold for models of other networks, data or training.",
    ]
    if "init" in index and len(set(index["init"])) == 1:
        said.insert(
            0, "All members start from the same weights, so a detector can tell them by places that other models do not share."
        )
    if "jitter" in index and len(set(index["jitter"])) == 1:
        said.append("All members of a level saw the same draw of colours: a detector may recognise the data file.")
    return said
