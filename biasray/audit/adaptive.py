"""Asking about the image that tells most, given the answers so far, until the interval is as narrow as it is to be.

The next image is the one whose answer most reduces the variance of the figures among the references that are still plausible
(`estimators.local`). How wide an interval has to be is learnt by replaying all that, its end too, for references that are left
out: a stop that looks at the answers would spoil intervals that were calibrated for a fixed number of them.

Axes: M model, K number of answers (from 1), N image of a kit, T figure of bias.
"""

from collections.abc import Collection
from typing import NamedTuple, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biasray.audit.estimators.local import Local, Told
from biasray.audit.trust import LEVEL, half_width
from biasray.metrics.counts import Floats

FEWEST = 5  # answers
LIMITS = 20  # that are tried


class Replays(NamedTuple):
    """Models whose bias is known, after each number of answers."""

    off_MKT: Floats  # the estimate minus the truth
    spread_MKT: Floats
    architecture_M: pd.Series


class Rule(NamedTuple):
    """Stop where no figure's spread is above the limit; then half of a 90 % interval is the ratio times the spread."""

    limit: float
    ratio_T: Floats
    within: float = np.inf  # that half of the interval was to be


def replayed(learnt: Local, answer_MN: Floats) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Values and spreads (M, K, T), K = N, of models asked about one image after another until none is left; which, (M, K)."""
    told = [_in_turn(learnt, answer_N) for answer_N in answer_MN]
    value_MKT, spread_MKT = np.moveaxis(np.array([[(t.value_T, t.spread_T) for _, t in each] for each in told]), 2, 0)
    return value_MKT, spread_MKT, np.array([[image for image, _ in each] for each in told])


def _in_turn(learnt: Local, answer_N: Floats) -> list[tuple[int, Told]]:
    given_N, found = np.full(len(answer_N), np.nan), list[tuple[int, Told]]()
    told = learnt.told(given_N)
    for _ in answer_N:
        image = int(told.gain_N.argmax())
        given_N[image] = answer_N[image]
        told = learnt.told(given_N)
        found.append((image, told))
    return found


def stops(spread_MKT: Floats, limit: float) -> NDArray[np.int64]:
    """(M,) answers after which asking ends."""
    enough_MK = np.asarray((spread_MKT <= limit).all(2))
    enough_MK[:, : FEWEST - 1] = False
    enough_MK[:, -1] = True
    return np.asarray(enough_MK.argmax(1) + 1)


def at_stop(replays: Replays, limit: float) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Of each model the number of answers (M,), and there how far off its figures are and their spreads (M, T)."""
    stop_M = stops(replays.spread_MKT, limit)
    each_M = np.arange(len(stop_M))
    return stop_M, replays.off_MKT[each_M, stop_M - 1], replays.spread_MKT[each_M, stop_M - 1]


def rule(within: float, replays: Replays) -> Rule:
    """The stop that asks least, of those after which half of every interval is `within` at most for 9 replays in 10.

    Where there is none, no stop: all images are asked about. (Stopping where intervals are the narrowest would choose those
    that are too narrow by chance.) Stop and ratio are found on the same replays, which costs a point of coverage where there
    are thirty, and nothing to be seen where there are hundreds.
    """
    widest_MK = replays.spread_MKT.max(2)
    limits = [*np.unique(np.quantile(widest_MK[:, FEWEST - 1 :], np.linspace(1, 0, LIMITS)))[::-1], 0.0]
    for limit in limits:
        _, off_MT, spread_MT = at_stop(replays, float(limit))
        ratio_T = np.array([half_width(ratio_M, replays.architecture_M) for ratio_M in (off_MT / spread_MT).T])
        reached = float(np.quantile((ratio_T * spread_MT).max(1), LEVEL))
        if reached <= within:
            # Above the widest spread of all no replay would end elsewhere.
            return Rule(float(max(limit, within / ratio_T.max()) if limit == limits[0] else limit), ratio_T, within)
    return Rule(0.0, ratio_T, within)


def from_table(table: pd.DataFrame) -> Replays:
    """From a row a model (id), figure and number of answers (budget), with columns network, off and spread."""
    ids, figures, budgets = (table[name].unique() for name in ("id", "figure", "budget"))
    architecture_M = table.drop_duplicates("id")["network"].reset_index(drop=True)
    wide = table.set_index(["id", "budget", "figure"]).loc[
        pd.MultiIndex.from_product([ids, sorted(budgets), figures]), ["off", "spread"]
    ]
    off_MKT, spread_MKT = wide.to_numpy(np.float64).T.reshape(2, len(ids), len(budgets), len(figures))
    return Replays(off_MKT, spread_MKT, architecture_M)


def audited(table: pd.DataFrame, within: float) -> pd.DataFrame:
    """Audits of models whose bias is known, each by the rule that the replays of the other architectures give.

    `table` as in `from_table`, with columns bias and refused; a row a model and figure: `budget` (answers), off, half,
    refused.
    """
    found = []
    for network in table["network"].unique():
        mine = table[table["network"] == network]
        known, replays = rule(within, from_table(table[table["network"] != network])), from_table(mine)
        stop_M, off_MT, spread_MT = at_stop(replays, known.limit)
        models = mine.drop_duplicates("id")[["id", "network", "bias"]].reset_index(drop=True)
        refused = mine.drop_duplicates(["id", "budget"]).set_index(["id", "budget"])["refused"]
        models["refused"] = refused.loc[list(zip(models["id"], stop_M, strict=True))].to_numpy()
        found += [
            models.assign(figure=figure, budget=stop_M, off=off_MT[:, t], half=known.ratio_T[t] * spread_MT[:, t])
            for t, figure in enumerate(mine["figure"].unique())
        ]
    return pd.concat(found, ignore_index=True)


@final
class Policy:
    """What is asked about next."""

    def __init__(self, learnt: Local, known: Rule, most: int) -> None:
        """`most` questions, whatever the spread."""
        self.learnt, self.rule, self.most = learnt, known, most

    def next(self, answer_N: Floats, asked: Collection[int]) -> int | None:
        """The image to ask about, None where it is enough; `answer_N` is NaN where there is no answer with a number."""
        told = self.learnt.told(answer_N)
        narrow = bool((told.spread_T <= self.rule.limit).all()) and int(np.isfinite(answer_N).sum()) >= FEWEST
        if narrow or len(asked) >= min(self.most, len(answer_N)):
            return None
        gain_N = told.gain_N.copy()
        gain_N[list(asked)] = -np.inf
        return int(gain_N.argmax())
