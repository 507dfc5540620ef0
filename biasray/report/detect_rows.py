"""From what detectors read to figures with intervals and controls. Axes: M member, S seed, K level."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biasray.metrics.interval import Interval, percentile, proportion
from biasray.random import rng
from biasray.report.results import Row
from biasray.weights.study import Reading, Split

RESAMPLES = 2000
INITIALISATION = "reads the initialisation"


class Found(NamedTuple):
    """What one detector reads on one split, all of its folds and seeds together."""

    detector: str
    setting: str  # which layers it reads, what goes in front of it
    split: Split
    members: int | None  # to learn from, as it was asked; None: all of each fold's
    trained: tuple[int, int]  # models it learns from, in the fold with the fewest and in that with the most
    n: int  # test members
    seeds: int
    accuracy: float
    interval: Interval
    shuffled: float  # accuracy where hidden units are in another order
    shuffled_interval: Interval
    lost: Interval  # of accuracy minus that, over members
    mae: float  # levels between the one read and the true one
    mae_interval: Interval
    chance: float  # share of the commonest level
    chance_mae: float  # levels that the best level to always name is off
    confusion_KK: NDArray[np.int64]  # true by read, counted over seeds
    seconds: float  # to fit, mean over folds and seeds

    @property
    def mark(self) -> str:
        """Whether its result rests on the places of the weights: it is above chance, and moving the units destroys it.

        What is left may then be chance, or surely more than half of what was above it is lost.
        """
        destroyed = self.shuffled_interval.low <= self.chance or self.lost.low > (self.accuracy - self.chance) / 2
        return INITIALISATION if self.interval.low > self.chance and self.lost.low > 0 and destroyed else ""

    @property
    def learnt(self) -> str:
        """Number of models it learns from."""
        fewest, most = self.trained
        return f"{most:,}" if fewest == most else f"{fewest:,} to {most:,}"


Series = tuple[str, str, Split, int | None]  # a detector, its setting, the split, and models to learn from


def series(reading: Reading) -> Series:
    """What all folds and seeds of which are told as one figure."""
    return reading.detector, setting(reading), reading.split, reading.members


def setting(reading: Reading) -> str:
    parts = ["convolutions alone" if reading.layers == "conv" else "all layers"]
    return ", ".join([*parts, *([reading.front] if reading.front != "none" else []), *["fine-tuned"] * reading.tuned])


def found(tables: Mapping[Reading, pd.DataFrame], levels: int) -> list[Found]:
    """Figures of each detector, setting, split and number of models to learn from, in the order of the readings."""
    grouped: dict[Series, list[tuple[Reading, pd.DataFrame]]] = {}
    for reading, table in tables.items():
        grouped.setdefault(series(reading), []).append((reading, table))
    return [_found(of, mine, levels) for of, mine in grouped.items()]


def _found(of: Series, mine: Sequence[tuple[Reading, pd.DataFrame]], levels: int) -> Found:
    name, how, split, members = of
    by_seed = {
        seed: pd.concat([t for r, t in mine if r.seed == seed]).sort_values("id", kind="stable")
        for seed in dict.fromkeys(r.seed for r, _ in mine)
    }
    first, every = next(iter(by_seed.values())), list(by_seed.values())
    level_M = first["level"].to_numpy()
    read_SM, shuffled_SM = (np.stack([t[column].to_numpy() for t in every]) for column in ("read", "shuffled"))
    right_M, kept_M = ((r == level_M).mean(0) for r in (read_SM, shuffled_SM))
    off_M = np.abs(read_SM - level_M).mean(0)
    n, drawn, trained = len(level_M), rng("detect"), [int(t["trained"].iloc[0]) for _, t in mine]
    member_RM = drawn.integers(0, n, (RESAMPLES, n))
    mae_interval = percentile(off_M[member_RM].mean(1))
    if np.ptp(off_M) == 0:  # no resample differs, so a member as yet unseen may be one level off as often as is consistent
        more = proportion(0, n).high
        mae_interval = Interval(max(0.0, off_M[0] - more), off_M[0] + more)
    return Found(
        detector=name,
        setting=how,
        split=split,
        members=members,
        trained=(min(trained), max(trained)),
        n=n,
        seeds=len(every),
        accuracy=float(right_M.mean()),
        interval=proportion(float(right_M.sum()), n),
        shuffled=float(kept_M.mean()),
        shuffled_interval=proportion(float(kept_M.sum()), n),
        mae=float(off_M.mean()),
        lost=percentile((right_M - kept_M)[member_RM].mean(1)),
        mae_interval=mae_interval,
        chance=float(np.bincount(level_M).max() / n),
        chance_mae=min(float(np.abs(level_M - k).mean()) for k in range(levels)),
        confusion_KK=np.histogram2d(np.tile(level_M, len(every)), read_SM.ravel(), bins=[range(levels + 1)] * 2)[0].astype(
            np.int64
        ),
        seconds=float(np.mean([t["seconds"].iloc[0] for _, t in mine])),
    )


def rows(data: str, every: Sequence[Found]) -> list[Row]:
    """The rows of results.json."""
    out = list[Row]()
    for f in every:
        shared = {
            "data": data, "method": f.detector, "setting": f"{f.setting}, {f.split} split, {f.learnt} models", "group": "all",
            "interval": "members", "n": f.n, "seeds": f.seeds, "seconds": f.seconds,
        }  # fmt: skip
        for metric, value, interval in (
            ("accuracy", f.accuracy, f.interval),
            ("accuracy, units in another order", f.shuffled, f.shuffled_interval),
            ("level MAE", f.mae, f.mae_interval),
        ):
            out.append({**shared, "metric": metric, "value": value, "low": interval.low, "high": interval.high})
        point = {**shared, "interval": None, "low": None, "high": None}
        out.append({**point, "metric": "chance", "value": f.chance})
        out.append({**point, "metric": "chance, level MAE", "value": f.chance_mae})
    return out


def text(every: Sequence[Found]) -> str:
    """A table for the terminal, a split at a time."""
    table = pd.DataFrame(
        {
            "split": f.split,
            "detector": f.detector,
            "reads": f.setting,
            "learnt from": f.learnt,
            "tested on": f.n,
            "accuracy, %": spelt(f.accuracy, f.interval, 100),
            "units moved": spelt(f.shuffled, f.shuffled_interval, 100),
            "levels off": spelt(f.mae, f.mae_interval, 1),
            "": f.mark,
        }
        for f in every
    )
    chance = {f.split: f"{f.split} split: {100 * f.chance:.1f} %, {f.chance_mae:.2f} levels off" for f in every}
    return f"{table.to_string(index=False)}\n\nby chance, always one level, the best for it: {'; '.join(chance.values())}"


def spelt(value: float, interval: Interval, scale: float) -> str:
    digits = 1 if scale == 100 else 2
    return f"{scale * value:.{digits}f} ({scale * interval.low:.{digits}f} to {scale * interval.high:.{digits}f})"
