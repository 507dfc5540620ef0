"""From the index of a zoo to figures by level of bias, each with its interval over members and its n."""

import itertools
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from biasray.metrics.interval import Interval, over_seeds
from biasray.random import rng

RESAMPLES = 2000
FEWEST = 10  # members that a bootstrap of a correlation needs
PUBLISHED = {0.02: 0.445, 0.03: 0.61, 0.04: 0.746, 0.05: 0.842}  # DigitWdb, mean accuracy by variance of the jitter


class Row(NamedTuple):
    """A figure of the members of one level."""

    family: str  # network and whatever else was varied in steps
    level: float
    bias: str
    figure: str
    value: float  # mean over members
    mean: Interval  # 95 %, of the mean, over members
    middle: Interval  # that holds the middle 95 % of members
    n: int


class Trend(NamedTuple):
    """How a gap between groups goes with the share of one of them."""

    family: str
    gap: str
    share: str
    spearman: float
    interval: Interval  # 95 %, bootstrap over members; of too few of them -1 to 1
    low_end: float  # mean gap at the lowest share, with its interval
    low: Interval
    high_end: float
    high: Interval
    guess: tuple[float, float, float]  # the control: of a constant guess Spearman and both ends
    n: int


def steps(index: pd.DataFrame) -> list[str]:
    """Columns that were varied in steps, the level apart: members that agree in them make a family."""
    several = ("half", "epochs", "batch", "lr", "weight_decay", *(("shuffled",) if "attribute" not in index else ()))
    return ["network", *(name for name in several if name in index and len(index[name].unique()) > 1)]


def families(index: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Members that differ in level and chance alone, by a name for what they have in common."""
    names = steps(index)
    return [(", ".join(_said(k, v) for k, v in zip(names, key, strict=True)), t) for key, t in index.groupby(names, sort=True)]


def _said(name: str, value: object) -> str:
    return str(value) if name == "network" else f"{value} half" if name == "half" else f"{name.replace('_', ' ')} {value}"


def rows(index: pd.DataFrame, figures: list[str]) -> list[Row]:
    """The mean of each figure in each family and level; members that were set aside are left out."""
    found = []
    for family, table in families(index[index["finite"]]):
        for (level, bias), members in table.groupby(["level", "bias"], sort=True):
            for figure in figures:
                value_S = members[figure].dropna().to_numpy(np.float64)  # no colour score where no digit is read rightly
                if not len(value_S):
                    continue
                middle = Interval(*np.quantile(value_S, [0.025, 0.975]).tolist())
                mean = float(value_S.mean())
                found.append(Row(family, level, bias, figure, mean, over_seeds(value_S), middle, len(value_S)))
    return found


def gaps(index: pd.DataFrame, of: Literal["", "guess_"] = "") -> dict[str, tuple[str, NDArray[np.float64]]]:
    """Gaps of a reference set by name: the column of the share that drives each, and the gap of every member.

    Of two groups the error of the first minus that of the second, else of each group minus that of all, as in the audit.
    With 'guess_' of the constant guesses that stand beside the members as a control.
    """
    shares = [name for name in index if name.startswith("share ")]
    named = [name.removeprefix("share ") for name in shares]
    found = {}
    for error in ("age_mae", "gender_error"):
        if of + error not in index:
            continue
        if len(named) == 2:
            pairs = [(named[0], named[1], f" {named[1]}")]
        else:
            pairs = [(group, "all", "") for group in named if group != "other"]
        for group, other, column in pairs:
            gap_M = (index[f"{of}{error} {group}"] - index[f"{of}{error}{column}"]).to_numpy(np.float64)
            found[f"{error}, {group} minus {other}"] = (f"share {group}", gap_M)
    return found


def trends(index: pd.DataFrame) -> list[Trend]:
    """Spearman's correlation of each gap with its share, of every family and of all members together."""
    index = index[index["finite"]]
    found = []
    for family, table in [*families(index), *([("all", index)] if len(families(index)) > 1 else [])]:
        guesses = gaps(table, "guess_")
        for gap, (share, gap_M) in gaps(table).items():
            share_M = table[share].to_numpy(np.float64)
            drawn = rng("trend", family, gap)
            rows_RM = drawn.integers(0, len(gap_M), (RESAMPLES, len(gap_M)))
            interval = Interval(-1, 1)
            if len(gap_M) >= FEWEST:
                resampled_R = [_spearman(share_M[row_M], gap_M[row_M]) for row_M in rows_RM]
                interval = Interval(*np.nanquantile(resampled_R, [0.025, 0.975]).tolist())
            (low_S, high_S), value = _ends(share_M, gap_M), _spearman(share_M, gap_M)
            guess_M = guesses[gap][1]
            guess_low_S, guess_high_S = _ends(share_M, guess_M)
            guess = _spearman(share_M, guess_M), float(guess_low_S.mean()), float(guess_high_S.mean())
            low, high = over_seeds(low_S), over_seeds(high_S)
            means = float(low_S.mean()), low, float(high_S.mean()), high
            found.append(Trend(family, gap, share.removeprefix("share "), value, interval, *means, guess, len(gap_M)))
    return found


def _ends(share_M: NDArray[np.float64], gap_M: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gaps at the lowest and at the highest share."""
    return gap_M[share_M == share_M.min()], gap_M[share_M == share_M.max()]


def _spearman(x_M: NDArray[np.float64], y_M: NDArray[np.float64]) -> float:
    """NaN where one of them does not vary."""
    return float(stats.spearmanr(x_M, y_M).statistic) if np.ptp(x_M) and np.ptp(y_M) else np.nan


def ordered(found: list[Row]) -> dict[str, bool]:
    """By family of several levels, whether the mean accuracy rises strictly with the level."""
    by: dict[str, list[float]] = {}
    for row in found:
        if row.figure == "accuracy":
            by.setdefault(row.family, []).append(row.value)
    return {f: all(a < b for a, b in itertools.pairwise(values)) for f, values in by.items() if len(values) > 1}
