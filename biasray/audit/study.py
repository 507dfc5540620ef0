"""How well the bias of models is told that no reference is like: each architecture in turn is left out of the references.

Axes: R reference, N image that can be asked about, P private image, T figure of bias, D draw.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biasray.audit import estimators
from biasray.audit.embedding import Embedding
from biasray.audit.figures import Figure, truth
from biasray.audit.probes import Order, at_random, by_embedding, by_lasso
from biasray.metrics.counts import Floats
from biasray.random import rng

Choice = Literal["chosen", "random"]
PUBLIC, PRIVATE = "public images", "leaked images"  # baselines 1 and 2


class Pool(NamedTuple):
    """References, what they answer, and their bias on private images."""

    answer_RN: Floats
    truth_RT: Floats
    figures: Sequence[Figure]
    about: pd.DataFrame  # a row a reference: id, network, bias (its mixture of groups)


class Fit(NamedTuple):
    """One estimator, from the references of all architectures but one, with images in one order."""

    held: str
    estimator: str
    choice: Choice
    draw: int  # of the images, where they are drawn at random


def order(fit: Fit, answer_RN: Floats, truth_RT: Floats) -> Order:
    """The images that its estimator asks about, in that order, learnt from these references."""
    if fit.choice == "random":
        return at_random(answer_RN, fit.draw)
    made = estimators.known(fit.estimator)()
    return by_embedding(made, answer_RN, truth_RT) if isinstance(made, Embedding) else by_lasso(answer_RN, truth_RT)


def told(fit: Fit, pool: Pool, budgets: Sequence[int]) -> pd.DataFrame:
    """The bias of the references that were left out, with every budget: a row a reference, figure and budget."""
    out_R = (pool.about["network"] == fit.held).to_numpy()
    answer_RN, truth_RT = pool.answer_RN[~out_R], pool.truth_RT[~out_R]
    asked, tables = order(fit, answer_RN, truth_RT), []
    for budget in budgets:
        first = asked[:budget]
        learnt = estimators.known(fit.estimator)().fit(answer_RN[:, first], truth_RT)
        estimate_MT = np.reshape(learnt.predict(pool.answer_RN[out_R][:, first]), (-1, len(pool.figures)))
        tables.append(_rows(estimate_MT, pool, out_R).assign(budget=budget))
    way = {"method": fit.estimator, "choice": fit.choice, "draw": fit.draw}
    return pd.concat(tables, ignore_index=True).assign(**way)


def sampled(
    method: str, error_RP: Floats, examples: pd.DataFrame, pool: Pool, budgets: Sequence[int], draws: int
) -> pd.DataFrame:
    """Baselines: each figure from the errors on so many annotated images, drawn anew each time.

    A draw without an image of a group is made again, since it tells nothing.
    """
    tables = []
    for budget in budgets:
        for draw, rows in enumerate(_draws(examples, pool.figures, budget, draws, method)):
            estimate_RT = truth(pool.figures, error_RP[:, rows], examples.iloc[rows])
            whole_R = np.ones(len(pool.about), bool)
            tables.append(_rows(estimate_RT, pool, whole_R).assign(budget=budget, draw=draw))
    return pd.concat(tables, ignore_index=True).assign(method=method, choice="random")


def _draws(
    examples: pd.DataFrame, figures: Sequence[Figure], budget: int, draws: int, purpose: str
) -> Iterator[NDArray[np.int64]]:
    drawn, nothing = rng("baseline", purpose, budget), np.zeros((1, len(examples)))
    for _ in range(draws):
        while True:
            rows = drawn.choice(len(examples), min(budget, len(examples)), replace=False)
            if np.isfinite(truth(figures, nothing[:, rows], examples.iloc[rows])).all():
                break
        yield rows


def _rows(estimate_MT: Floats, pool: Pool, which_R: NDArray[np.bool_]) -> pd.DataFrame:
    mine, truth_MT = pool.about[which_R], pool.truth_RT[which_R]
    columns = {"id": mine["id"], "network": mine["network"], "bias": mine["bias"]}
    return pd.concat(
        pd.DataFrame({**columns, "figure": figure.name, "estimate": estimate_MT[:, t], "truth": truth_MT[:, t]})
        for t, figure in enumerate(pool.figures)
    )
