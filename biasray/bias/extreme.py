"""Sets for unlearning: an extremely biased one to learn from, and two to test on, no image in two of them.

Yadav and Ramakrishnan, section 3.1: ages in 14 bins of 4 years; women of 16 to 35 and men of 40 to 70 to learn from; the
complement, women of 40 to 70 and men of 16 to 35; and a balanced set, as many women as men of each bin. Theirs overlap.
Axes: N example.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biasray import storage
from biasray.bias import label
from biasray.data.dataset import DataSet, part
from biasray.random import rng

Mask = NDArray[np.bool_]
BALANCED, COMPLEMENT = "balanced", "complement"
BIN = " bin"  # ends the name of the column that holds the bin of a target
FEWEST = 100  # images of the balanced set, on which everything is judged


@final
@dataclass(frozen=True, kw_only=True)
class Sets:
    bins: tuple[int, int, int] = (16, 72, 4)
    """Of a target in numbers: where the first begins, where the last ends, and the width of each."""
    extreme: tuple[str, ...] = ("Female=16..36", "Male=40..71")
    """Targets of each value of the attribute in the extremely biased set: VALUE=LOW..HIGH (HIGH not included), or
    VALUE=NAME,NAME where the target has names. Other values are in no set."""
    train: Literal["extreme", "original", "balanced"] = "extreme"
    """Set to learn from: the extremely biased one, all images, or as many of each value in every bin."""


def divided(dataset: DataSet, target: str, attribute: str, sets: Sets) -> DataSet:
    """The images that are learnt from or tested on. A column `set` names the set of each test image, and a column
    `<target> bin` the bin of its target.

    Whatever was learnt from, an image is tested on where it was imported for tests, or where its target and attribute do not
    occur together in training. The balanced set takes what it can of each bin that is trained on, but leaves half of the
    complement's images to that. Raises ValueError for what the data cannot give.
    """
    examples, column = dataset.examples, target + BIN
    if target == attribute:
        raise ValueError(f"'{target}' cannot be learnt and unlearnt at once; choose two attributes.")
    if taken := [name for name in ("set", column) if name in examples]:
        raise ValueError(f"The data set has an attribute '{taken[0]}', a name that is needed here; rename it and import again.")
    value_N = label.attribute(examples, attribute, "attribute to unlearn", dataset.attributes)
    if pd.api.types.is_numeric_dtype(value_N):
        raise ValueError(f"Attribute '{attribute}' is a number: choose one with named values to unlearn.")
    value_N = value_N.reindex(examples.index, fill_value="")
    bin_N = _bins(label.attribute(examples, target, "target", dataset.attributes), sets.bins)
    bin_N = bin_N.reindex(examples.index, fill_value="")
    extreme_N, complement_N, named = _sides(examples[target], value_N, sets.extreme, attribute)
    known_N = (bin_N != "").to_numpy() & value_N.isin(named).to_numpy()
    split_N, drawn = examples["split"].to_numpy(), rng("unlearning")
    learnt_N = known_N & (extreme_N if sets.train == "extreme" else True)
    free_N = known_N & ((split_N == "test") | ~learnt_N)
    kept_N = learnt_N & (split_N != "test")
    if sets.train == "balanced":
        for split in ("train", "validation"):
            here_N = kept_N & (split_N == split)
            kept_N &= ~here_N | _even(here_N, np.zeros(len(examples), bool), bin_N, value_N, named, drawn)
    trained_N = bin_N.isin(set(bin_N[kept_N & (split_N == "train")])).to_numpy()
    balanced_N = _even(free_N & trained_N, complement_N, bin_N, value_N, named, drawn)
    if (n := int(balanced_N.sum())) < FEWEST:
        raise ValueError(
            f"The balanced set would have {n} images, and {FEWEST} are needed to judge by: import more images, or give wider "
            "--bins."
        )
    set_N = np.where(balanced_N, BALANCED, np.where(free_N & complement_N, COMPLEMENT, ""))
    new = examples.assign(split=np.where(set_N == "", split_N, "test"), set=set_N, **{column: bin_N})
    checksum = storage.fingerprint([dataset.checksum, target, attribute, asdict(sets)])
    return part(dataset, new, np.flatnonzero(kept_N | (set_N != "")), checksum)


def _bins(target_N: pd.Series, bins: tuple[int, int, int]) -> pd.Series:
    """Names of bins, '16-19'; '' outside of them. A target with names is its own bins."""
    if not pd.api.types.is_numeric_dtype(target_N):
        return target_N.astype(str)
    low, high, width = bins
    if width < 1 or high <= low or (high - low) % width:
        raise ValueError(
            f"--bins {low} {high} {width}: give where the first begins, where the last ends, and a width that fits."
        )
    digits, names = len(str(high - 1)), pd.Series("", index=target_N.index, dtype=object)
    for first in range(low, high, width):
        inside_N = (target_N >= first) & (target_N < first + width)
        if not inside_N.any():
            there = f"{target_N.min():g} to {target_N.max():g}"
            raise ValueError(f"--bins: there is no example of {first} to {first + width - 1}; {target_N.name} is {there}.")
        names[inside_N] = f"{first:0{digits}d}-{first + width - 1:0{digits}d}"
    return names


def _sides(target_N: pd.Series, value_N: pd.Series, extreme: Sequence[str], attribute: str) -> tuple[Mask, Mask, list[str]]:
    """Which examples the extremely biased set may have, and which have another value's targets instead of their own; the
    values that are named."""
    ranges: dict[str, Mask] = {}
    for entry in extreme:
        value, equals, text = entry.partition("=")
        if not equals or not text or value not in set(value_N):
            there = ", ".join(sorted(set(value_N) - {""}))
            raise ValueError(f"--extreme {entry} is not VALUE=TARGETS with a {attribute} of {there}.")
        ranges[value] = label.matches(target_N, text, f"--extreme {entry}") | ranges.get(value, False)
    if len(ranges) < 2:
        raise ValueError(f"--extreme needs targets for two values of {attribute} or more, such as Female=16..36 Male=40..71.")
    extreme_N, complement_N = np.zeros(len(value_N), bool), np.zeros(len(value_N), bool)
    for value, own_N in ranges.items():
        mine_N, others = (value_N == value).to_numpy(), [mask for other, mask in ranges.items() if other != value]
        extreme_N |= mine_N & own_N
        complement_N |= mine_N & ~own_N & np.logical_or.reduce(others)
    return extreme_N, complement_N, sorted(ranges)


def _even(
    from_N: Mask, spared_N: Mask, bin_N: pd.Series, value_N: pd.Series, named: list[str], drawn: np.random.Generator
) -> Mask:
    """So many of these examples that every bin has as many of each value, and of `spared` ones at most half are taken."""
    out_N = np.zeros(len(from_N), bool)
    for name in sorted(set(bin_N[from_N])):
        here_N = from_N & (bin_N == name).to_numpy()
        parts = []
        for value in named:
            others, spared = (np.flatnonzero(here_N & (value_N == value) & side_N) for side_N in (~spared_N, spared_N))
            parts.append(np.concatenate([others, drawn.permutation(spared)[: len(spared) // 2]]))
        for rows in parts:
            out_N[drawn.permutation(rows)[: min(map(len, parts))]] = True
    return out_N
