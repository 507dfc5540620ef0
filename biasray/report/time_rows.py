"""How often a value is shown, by programme and year: as a classifier says, and corrected for how it errs.

Faces of one day of a programme are alike, so intervals are over days. Axes: D day, P predicted class, R resample, T true class.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from biasray.metrics.interval import Interval, percentile
from biasray.metrics.shift import black_box, redrawn, resampled
from biasray.random import rng
from biasray.report.results import Row, bounds

SAID, CORRECTED, CHANGE = "share as said", "share, corrected", "change from the first year to the last, corrected"
RESAMPLES = 1000
DAYS = 8  # fewer tell nothing of other days


def rows(frames: pd.DataFrame, confusion_TP: NDArray[np.int64], values: Sequence[str], of: str, fewest: int) -> list[Row]:
    """`frames` has a row a face: programme, year, day, said. Years with fewer faces than `fewest` are left out; fewer than DAYS
    days give no interval. Corrected shares are those of `metrics.shift.black_box`, whose intervals are also over the labelled
    images: the same ones for every year, so that most of their error leaves a change."""
    out: list[Row] = []
    place, confusion_RTP = values.index(of), redrawn(confusion_TP, rng("labelled"), RESAMPLES)
    for programme, mine in frames.groupby("programme", sort=True):
        found = dict[int, tuple[float, NDArray[np.float64], int]]()  # corrected share, that of resamples, days
        for year, part in mine.groupby("year", sort=True):
            if len(part) < fewest:
                continue
            said_DP = pd.crosstab(part["day"], part["said"]).reindex(columns=list(values), fill_value=0).to_numpy()
            days = len(said_DP)
            times_RD = rng("days", str(programme), int(year)).multinomial(days, np.full(days, 1 / days), RESAMPLES)
            said_RP = times_RD @ said_DP
            said, said_R = float(said_DP[:, place].sum() / said_DP.sum()), said_RP[:, place] / said_RP.sum(1)
            corrected = float(black_box(confusion_TP, said_DP.sum(0))[place])
            corrected_R = resampled(confusion_RTP, said_RP)[:, place]
            found[int(year)] = corrected, corrected_R, days
            base: Row = {"programme": programme, "year": int(year), "n": len(part), "days": days}
            out.append({**base, "metric": SAID, "value": said, **_bounds(said, said_R, days, True)})
            out.append({**base, "metric": CORRECTED, "value": corrected, **_bounds(corrected, corrected_R, days, True)})
        if len(found) > 1:
            (first, before), (last, after) = min(found.items()), max(found.items())
            n, change = int(mine["year"].isin((first, last)).sum()), after[0] - before[0]
            base = {"programme": programme, "year": last, "n": n, "days": before[2] + after[2]}
            spread = _bounds(change, after[1] - before[1], min(before[2], after[2]), False)
            out.append({**base, "metric": CHANGE, "value": change, **spread})
    return out


def _bounds(value: float, value_R: NDArray[np.float64], days: int, within: bool) -> dict[str, float | None]:
    """The middle 95 % of resamples, widened where days are few as Student's t is against the normal distribution."""
    known_R = value_R[np.isfinite(value_R)]
    if days < DAYS or not len(known_R):
        return bounds(Interval(np.nan, np.nan), within)
    wider = float(stats.t.ppf(0.975, days - 1) / stats.norm.ppf(0.975) * np.sqrt(days / (days - 1)))
    return bounds(percentile(value + wider * (known_R - value)), within)
