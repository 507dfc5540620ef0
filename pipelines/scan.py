"""Find the attributes of a data set that go with its target, and the controlled biases that it has room for."""

import shlex
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biasray import data, storage
from biasray.bias import label
from biasray.bias.room import AGREEMENTS, Room, room
from biasray.data.dataset import has_label
from biasray.engine.scan import count_pairs
from biasray.metrics.association import Association, cramers_v, pearson
from biasray.random import rng
from pipelines.cli import about, run
from pipelines.place import refuse_relative

PARTS = 4  # of equal size, into which a number is cut for Cramer's V
MOST = 100  # named values of an attribute that can be a group
LEGEND = """
V: Cramer's, with 95 % intervals over examples; numbers are cut into quarters. r: Pearson's, where both have two values, in
alphabetical order, or numbers. balanced: examples of the largest table with every pair of values equally often.
agreement: share of examples whose value goes with their target, by the map below; at 0.9: examples of the largest table in
which that share is 0.9 and every target is equally frequent.
"""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Rank the attributes of a data set by how strongly they go with the target, in its training split.

    What a model may use in place of the target is high on the list. For each attribute it also says what a comparison
    (`pipelines.debias`) can make of it: how large a balanced table is, and how large one with a given agreement.
    """

    data: str
    """A built-in data set (drawn-faces), or the folder or URI of an imported one."""
    target: str | None = None
    """Attribute to predict. Default: the data set's own."""
    seed: int = 0
    """Of the bootstrap."""
    out: str | None = None
    """File or URI of the figures as JSON. Default: none is written."""


def main(config: Config) -> list[dict[str, Any]]:
    """Print the ranking; returns a row for each attribute, the strongest first."""
    if config.data not in data.built_in():
        refuse_relative("--data", config.data)
    if config.out is not None:
        refuse_relative("--out", config.out)
    dataset = data.load(config.data)
    target = config.target or dataset.target
    train = dataset.examples[dataset.examples["split"] == "train"]
    labelled = label.targets(train, target, dataset.attributes)
    train, targets = labelled.examples, labelled.targets
    values = {name: train[name][has_label(train[name])].nunique() for name in dataset.attributes if name != target}
    wordy = [k for k, n in values.items() if n > MOST and not pd.api.types.is_numeric_dtype(train[k])]
    others = [name for name, n in values.items() if n > 1 and name not in wordy]
    if not others:
        raise ValueError(f"{dataset.name} has no attribute beside '{target}' that varies; there is nothing to compare it with.")
    counted = count_pairs(train, target, others)
    rows = [scanned(name, counted[name].reindex(list(targets), fill_value=0), config.seed) for name in others]
    rows.sort(key=lambda row: -1 if np.isnan(row["cramers_v"]) else row["cramers_v"], reverse=True)
    if config.out is not None:
        storage.write_json(config.out, {"about": about(), "data": dataset.name, "target": target, "rows": rows})
    print(f"{dataset.name}: {len(train):,} training examples; target {target} ({', '.join(targets)})\n")
    print(ranking(rows))
    print(LEGEND)
    if wordy:
        print(f"Left out, with more than {MOST} different values each: {', '.join(wordy)}.\n")
    print("\n".join(sentence(row, config.data, target) for row in rows))
    return rows


def scanned(name: str, count: pd.DataFrame, seed: int) -> dict[str, Any]:
    """One attribute: its association with the target, and what there is room for."""
    count_TV, values, drawn = count.to_numpy(), list(count.columns), rng(seed, "scan", name)
    numbers = pd.api.types.is_numeric_dtype(count.columns)
    if numbers:
        v = cramers_v(merged(count_TV, parts(count, PARTS)), drawn)
        half = parts(count, 2)
        cut = float(values[int(half.argmax())])
        middle = str(int(cut)) if cut.is_integer() else repr(cut)
        allowed = room(merged(count_TV, half), list(count.index), [f"..{middle}", f"{middle}.."])
    else:
        v, allowed = cramers_v(count_TV, drawn), room(count_TV, list(count.index), values)
    r = Association(np.nan, v.interval)
    if len(count) == 2 and (numbers or len(values) == 2):
        r = pearson(count_TV, np.arange(2.0), np.asarray(values) if numbers else np.arange(2.0))
    return {
        "attribute": name,
        "values": [min(values), max(values)] if numbers else values,
        "n": int(count_TV.sum()),
        "cramers_v": v.value,
        "cramers_v_interval": [v.interval.low, v.interval.high],
        "pearson": None if np.isnan(r.value) else r.value,
        "pearson_interval": None if np.isnan(r.value) else [r.interval.low, r.interval.high],
        "room": {**allowed._asdict(), "agreement": None if np.isnan(allowed.agreement) else allowed.agreement},
    }


def parts(count: pd.DataFrame, most: int) -> NDArray[np.int64]:
    """(V,) which of so many parts, of about equal size, each value of a number belongs to."""
    n_V = count.to_numpy().sum(0)
    before_V = (n_V.cumsum() - n_V / 2) / n_V.sum()
    part_V: NDArray[np.int64] = np.minimum((before_V * most).astype(np.int64), most - 1)
    return part_V


def merged(count_TV: NDArray[np.int64], part_V: NDArray[np.int64]) -> NDArray[np.int64]:
    """The counts of values that belong to one part, added up."""
    return np.stack([count_TV[:, part_V == k].sum(1) for k in np.unique(part_V)], 1)


def ranking(rows: list[dict[str, Any]]) -> str:
    table = []
    for row in rows:
        allowed = Room(**row["room"])
        table.append(
            {
                "attribute": row["attribute"],
                "V": figure(row["cramers_v"], row["cramers_v_interval"]),
                "r": "" if row["pearson"] is None else figure(row["pearson"], row["pearson_interval"]),
                "balanced": f"{allowed.balanced:,}",
                "agreement": f"{allowed.agreement:.2f}" if allowed.align else "",
                **{f"at {rho:g}": f"{allowed.examples[rho]:,}" if allowed.align else "" for rho in AGREEMENTS},
            }
        )
    return pd.DataFrame(table).to_string(index=False)


def figure(value: float, interval: list[float]) -> str:
    return f"{value:.2f} ({interval[0]:.2f} to {interval[1]:.2f})"


def sentence(row: dict[str, Any], name: str, target: str) -> str:
    """What can be made of an attribute."""
    allowed = Room(**row["room"])
    few = f"{row['attribute']}: the fewest examples, {allowed.n:,}, are {' and '.join(allowed.smallest)}"
    if not allowed.balanced:
        few += ", so nothing balanced can be had"
    possible = [rho for rho, n in allowed.examples.items() if n]
    if not allowed.align:
        return f"{few}; an agreement needs a map of your own (--align)."
    if not possible:
        return f"{few}; no agreement can be had with {' '.join(allowed.align)}."
    agreement = 0.9 if 0.9 in possible else possible[-1]
    words = ["--data", name, "--target", target, "--bias", row["attribute"], "--align", *allowed.align]
    return f"{few}; try pipelines.debias {shlex.join([*words, '--agreement', f'{agreement:g}'])}"


if __name__ == "__main__":
    run(Config, main)
