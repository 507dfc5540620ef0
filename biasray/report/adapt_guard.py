"""What was foreseen of adaptations, and what happened."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple, get_args

import numpy as np
from scipy.stats import spearmanr

from biasray.adaptation.guard import Expected, Outlook, Word
from biasray.metrics.interval import percentile
from biasray.random import rng
from biasray.report.adapt_rows import GAIN, MEAN, RATIO, Key, at
from biasray.report.results import Row

WORDS: tuple[Word, ...] = get_args(Word)  # from good to bad
HELPED, UNCLEAR, HARMED = "helped", "no clear change", "harmed"
RESAMPLES = 1000


class Foreseen(NamedTuple):
    """Of one way to adapt, over seeds."""

    word: Word  # the middle one
    because: tuple[str, ...]  # of the first seed that says so
    accuracy: Expected  # changes: means over seeds, and of the bounds
    ratio: Expected
    known: int  # validation images that this rests on, of the class that has fewest
    seeds: int


def foreseen(outlooks: Sequence[Outlook]) -> Foreseen:
    """From the outlook of each seed."""
    places = sorted(WORDS.index(one.word) for one in outlooks)
    word = WORDS[places[len(places) // 2]]
    because = next(one.because for one in outlooks if one.word == word)
    accuracy, ratio = (
        Expected(*np.mean([getattr(one, name) for one in outlooks], 0).tolist()) for name in ("accuracy", "ratio")
    )
    return Foreseen(word, because, accuracy, ratio, min(one.known for one in outlooks), len(outlooks))


def happened(rows: Sequence[Row], key: Key) -> str:
    """Harmed if the mean of the classes' accuracies or their ratio fell, helped if either rose and neither fell: with intervals
    over images that leave out zero."""
    gains = [at(rows, key, metric + GAIN, "images") for metric in (MEAN, RATIO)]
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
    """Spearman's, of expected and measured changes over all ways to adapt, with a bootstrap over start models and over pools,
    of which there must be five pairs; without what does not vary."""
    starts, pools = (list(dict.fromkeys(key[part] for key in guard)) for part in range(2))
    if len({(key.start, key.pool) for key in guard}) < 5:
        return {}
    out, drawn = dict[str, tuple[float, float, float]](), rng("guard and what happened")
    for metric in (MEAN, RATIO):
        of: dict[tuple[str, str], list[tuple[float, float]]] = {pair: [] for pair in product(starts, pools)}
        for key, seen in guard.items():
            expected = seen.accuracy if metric == MEAN else seen.ratio
            of[key.start, key.pool].append((expected.value, at(rows, key, metric + GAIN, "images")["value"]))
        value_R = np.array([_spearman(of, _redrawn(starts, drawn), _redrawn(pools, drawn)) for _ in range(RESAMPLES)])
        if len(known_R := value_R[~np.isnan(value_R)]):
            interval = percentile(known_R)
            out[metric] = (_spearman(of, starts, pools), interval.low, interval.high)
    return out


def _redrawn(names: Sequence[str], drawn: np.random.Generator) -> list[str]:
    return [names[k] for k in drawn.integers(0, len(names), len(names))]


def _spearman(
    of: Mapping[tuple[str, str], Sequence[tuple[float, float]]], starts: Sequence[str], pools: Sequence[str]
) -> float:
    both = np.array([pair for names in product(starts, pools) for pair in of[names]]).reshape(-1, 2)
    varies = len(both) and all(len(np.unique(column)) > 1 for column in both.T)
    return float(spearmanr(both[:, 0], both[:, 1]).statistic) if varies else float("nan")
