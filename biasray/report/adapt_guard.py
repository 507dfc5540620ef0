"""What was foreseen of adaptations, and what happened."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, get_args

import numpy as np
from scipy.stats import spearmanr

from biasray.adaptation.guard import Outlook, Word
from biasray.metrics.interval import percentile
from biasray.random import rng
from biasray.report.adapt_rows import ACCURACY, GAIN, RATIO, Key, at
from biasray.report.results import Row

WORDS: tuple[Word, ...] = get_args(Word)  # from good to bad
HELPED, UNCLEAR, HARMED = "helped", "no clear change", "harmed"
RESAMPLES = 1000


class Foreseen(NamedTuple):
    """Of one way to adapt, over seeds."""

    word: Word  # the middle one
    because: tuple[str, ...]  # of the first seed that says so
    accuracy: float  # expected changes, means
    ratio: float


def foreseen(outlooks: Sequence[Outlook]) -> Foreseen:
    """From the outlook of each seed."""
    places = sorted(WORDS.index(one.word) for one in outlooks)
    word = WORDS[places[len(places) // 2]]
    because = next(one.because for one in outlooks if one.word == word)
    accuracy, ratio = (float(np.mean([getattr(one, name).value for one in outlooks])) for name in ("accuracy", "ratio"))
    return Foreseen(word, because, accuracy, ratio)


def happened(rows: Sequence[Row], key: Key) -> str:
    """Harmed if accuracy or its ratio fell, helped if either rose and neither fell: with intervals over images that leave out
    zero."""
    gains = [at(rows, key, metric + GAIN, "images") for metric in (ACCURACY, RATIO)]
    if any(r["high"] < 0 for r in gains):
        return HARMED
    return HELPED if any(r["low"] > 0 for r in gains) else UNCLEAR


def table(rows: Sequence[Row], guard: Mapping[Key, Foreseen]) -> list[dict[str, Any]]:
    """How many ways to adapt helped and harmed, by what was foreseen, and all of them: the control."""
    out = list[dict[str, Any]]()
    for word in (*WORDS, "all"):
        keys = [key for key, seen in guard.items() if word in (seen.word, "all")]
        came = [happened(rows, key) for key in keys]
        out.append({"foreseen": word, "ways": len(keys), **{name: came.count(name) for name in (HELPED, UNCLEAR, HARMED)}})
    return out


def correlation(rows: Sequence[Row], guard: Mapping[Key, Foreseen]) -> dict[str, tuple[float, float, float]]:
    """Spearman's, of expected and measured changes over all ways to adapt, with a bootstrap over pairs of start and pool; empty
    where there are fewer than five such pairs."""
    pairs = list(dict.fromkeys((key.start, key.pool) for key in guard))
    if len(pairs) < 5:
        return {}
    out, drawn = {}, rng("guard and what happened")
    for metric in (ACCURACY, RATIO):
        of = {
            pair: [
                (seen.accuracy if metric == ACCURACY else seen.ratio, at(rows, key, metric + GAIN, "images")["value"])
                for key, seen in guard.items()
                if (key.start, key.pool) == pair
            ]
            for pair in pairs
        }
        value_R = [_spearman([of[pairs[k]] for k in drawn.integers(0, len(pairs), len(pairs))]) for _ in range(RESAMPLES)]
        interval = percentile(np.array(value_R)[~np.isnan(value_R)])
        out[metric] = (_spearman(list(of.values())), interval.low, interval.high)
    return out


def _spearman(groups: Sequence[Sequence[tuple[float, float]]]) -> float:
    both = np.array([pair for group in groups for pair in group])
    return float(spearmanr(both[:, 0], both[:, 1]).statistic) if len(np.unique(both[:, 0])) > 1 else float("nan")
