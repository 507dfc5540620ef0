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
    trained: int  # models it learns from, on average over folds
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
    confusion_KK: NDArray[np.int64]  # true by read, counted over seeds
    seconds: float  # to fit, mean over folds and seeds

    @property
    def mark(self) -> str:
        """Whether its result rests on the places of the weights: it is above chance, and moving the units destroys it."""
        destroyed = self.interval.low > self.chance and self.shuffled_interval.low <= self.chance and self.lost.low > 0
        return INITIALISATION if destroyed else ""


def setting(reading: Reading) -> str:
    parts = ["convolutions alone" if reading.layers == "conv" else "all layers"]
    return ", ".join([*parts, *([reading.front] if reading.front != "none" else []), *["fine-tuned"] * reading.tuned])


def found(tables: Mapping[Reading, pd.DataFrame], levels: int) -> list[Found]:
    """Figures of each detector, setting, split and number of models to learn from, in the order of the readings."""
    grouped: dict[tuple[str, str, Split, int | None], list[tuple[Reading, pd.DataFrame]]] = {}
    for reading, table in tables.items():
        grouped.setdefault((reading.detector, setting(reading), reading.split, reading.members), []).append((reading, table))
    return [_found(name, how, split, mine, levels) for (name, how, split, _), mine in grouped.items()]


def _found(name: str, how: str, split: Split, mine: Sequence[tuple[Reading, pd.DataFrame]], levels: int) -> Found:
    by_seed = {
        seed: pd.concat([t for r, t in mine if r.seed == seed]).sort_values("id", kind="stable")
        for seed in dict.fromkeys(r.seed for r, _ in mine)
    }
    first, every = next(iter(by_seed.values())), list(by_seed.values())
    level_M = first["level"].to_numpy()
    read_SM, shuffled_SM = (np.stack([t[column].to_numpy() for t in every]) for column in ("read", "shuffled"))
    right_M, kept_M = ((r == level_M).mean(0) for r in (read_SM, shuffled_SM))
    off_M = np.abs(read_SM - level_M).mean(0)
    n, drawn = len(level_M), rng("detect")
    member_RM = drawn.integers(0, n, (RESAMPLES, n))
    return Found(
        detector=name,
        setting=how,
        split=split,
        trained=round(float(np.mean([t["trained"].iloc[0] for _, t in mine]))),
        n=n,
        seeds=len(every),
        accuracy=float(right_M.mean()),
        interval=proportion(float(right_M.sum()), n),
        shuffled=float(kept_M.mean()),
        shuffled_interval=proportion(float(kept_M.sum()), n),
        mae=float(off_M.mean()),
        lost=percentile((right_M - kept_M)[member_RM].mean(1)),
        mae_interval=percentile(off_M[member_RM].mean(1)),
        chance=float(np.bincount(level_M).max() / n),
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
            "data": data, "method": f.detector, "setting": f"{f.setting}, {f.split} split, {f.trained} models", "group": "all",
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
    return out


def text(every: Sequence[Found]) -> str:
    """A table for the terminal, a split at a time."""
    table = pd.DataFrame(
        {
            "split": f.split,
            "detector": f.detector,
            "reads": f.setting,
            "learnt from": f.trained,
            "tested on": f.n,
            "accuracy, %": spelt(f.accuracy, f.interval, 100),
            "units moved": spelt(f.shuffled, f.shuffled_interval, 100),
            "levels off": spelt(f.mae, f.mae_interval, 1),
            "": f.mark,
        }
        for f in every
    )
    return str(table.to_string(index=False))


def spelt(value: float, interval: Interval, scale: float) -> str:
    digits = 1 if scale == 100 else 2
    return f"{scale * value:.{digits}f} ({scale * interval.low:.{digits}f} to {scale * interval.high:.{digits}f})"
