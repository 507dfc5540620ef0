"""How often a value is shown, by programme and year: as a classifier says, and corrected for how it errs.

Faces of one day of a programme are alike, so intervals are over days. Axes: D day, P predicted class, R resample, T true class.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biasray.metrics.interval import Interval, percentile
from biasray.metrics.shift import black_box, resampled
from biasray.random import rng
from biasray.report.results import Row, bounds

SAID, CORRECTED, CHANGE = "share as said", "share, corrected", "change from the first year to the last, corrected"
RESAMPLES = 1000


def rows(frames: pd.DataFrame, confusion_TP: NDArray[np.int64], values: Sequence[str], of: str, fewest: int) -> list[Row]:
    """`frames` has a row a face: programme, year, day, said. Years with fewer faces than `fewest` are left out; one day gives
    no interval. Corrected shares are those of `metrics.shift.black_box`, whose intervals are also over the labelled images."""
    out: list[Row] = []
    place = values.index(of)
    for programme, mine in frames.groupby("programme", sort=True):
        corrected = dict[int, tuple[float, NDArray[np.float64]]]()
        for year, part in mine.groupby("year", sort=True):
            if len(part) < fewest:
                continue
            base: Row = {"programme": programme, "year": int(year), "n": len(part), "days": part["day"].nunique()}
            said_DP = pd.crosstab(part["day"], part["said"]).reindex(columns=list(values), fill_value=0).to_numpy()
            drawn = rng("days", str(programme), int(year))
            times_RD = drawn.multinomial(len(said_DP), np.full(len(said_DP), 1 / len(said_DP)), RESAMPLES)
            said_RP = times_RD @ said_DP
            one = len(said_DP) == 1
            share_R, share_RT = said_RP[:, place] / said_RP.sum(1), resampled(confusion_TP, said_RP, drawn)
            value = float(black_box(confusion_TP, said_DP.sum(0))[place])
            corrected[int(year)] = value, np.full(RESAMPLES, np.nan) if one else share_RT[:, place]
            said = float(said_DP[:, place].sum() / said_DP.sum())
            out.append({**base, "metric": SAID, "value": said, **_bounds(np.full(RESAMPLES, np.nan) if one else share_R, True)})
            out.append({**base, "metric": CORRECTED, "value": value, **_bounds(corrected[int(year)][1], True)})
        if len(corrected) > 1:
            first, last = min(corrected), max(corrected)
            (before, before_R), (after, after_R) = corrected[first], corrected[last]
            base = {"programme": programme, "year": last, "n": int(mine["year"].isin((first, last)).sum())}
            days = int(mine[mine["year"].isin((first, last))]["day"].nunique())
            out.append({**base, "days": days, "metric": CHANGE, "value": after - before, **_bounds(after_R - before_R, False)})
    return out


def _bounds(value_R: NDArray[np.float64], within: bool) -> dict[str, float | None]:
    known_R = value_R[np.isfinite(value_R)]
    return bounds(percentile(known_R) if len(known_R) else Interval(np.nan, np.nan), within)
