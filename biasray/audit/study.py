"""How well the bias of models is told that no reference is like: each architecture in turn is left out of the references.

Axes: R reference, M reference that is left out, N image that can be asked about, P private image, T figure of bias, B budget.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biasray.audit import estimators
from biasray.audit.adaptive import FEWEST, replayed
from biasray.audit.embedding import Embedding
from biasray.audit.estimators.local import Local
from biasray.audit.figures import Figure, Target, truth
from biasray.audit.games import GAMES
from biasray.audit.probes import Order, at_random, by_embedding, by_lasso
from biasray.audit.trust import Crowd, half_width
from biasray.metrics.counts import Floats
from biasray.random import rng

Choice = Literal["chosen", "random", "in turn"]
RESULTS = 5  # raised by hand when what is found changes
TRIES = 1000
IN_TURN = 80  # images, of which those to ask about in turn are chosen
PUBLIC, PRIVATE = "public images", "leaked images"  # baselines 1 and 2


class Pool(NamedTuple):
    """References, what they answer, and their bias on private images."""

    answer_RN: Floats
    truth_RT: Floats
    figures: Sequence[Figure]
    about: pd.DataFrame  # a row a reference: id, network, bias (its mixture of groups)
    target: Target = "age"


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


def left_out(fit: Fit, pool: Pool, budgets: Sequence[int]) -> pd.DataFrame:
    """The bias of the references that were left out, with every budget: a row a reference, figure and budget.

    With chosen images also `half`, half of an interval that is to hold the truth with 90 %: as wide as it takes for each
    architecture of the references that are left, when it is left out in turn, images being chosen anew. And more rows, in which
    the answers were tampered with: `game` says how. `refused` is where no interval would be given. Asked in turn, a row each
    number of answers (`in_turn`), to the images of a kit.
    """
    out_R = (pool.about["network"] == fit.held).to_numpy()
    left, asked = _part(pool, ~out_R), _part(pool, out_R)
    first_to_last = order(fit, left.answer_RN, left.truth_RT)
    if fit.choice == "in turn":
        return in_turn(fit, pool, first_to_last[:IN_TURN], judged=True)
    if chosen := fit.choice == "chosen":
        half_BT = half_widths(fit, left, budgets, orders(fit, left))
    else:
        half_BT = np.full((len(budgets), len(pool.figures)), np.nan)
    tables = []
    for (first, learnt), budget, half_T in zip(_learnt(fit, left, first_to_last, budgets), budgets, half_BT, strict=True):
        answer_RN, answer_MN = left.answer_RN[:, first], asked.answer_RN[:, first]
        crowd = Crowd(answer_RN, left.about["network"])
        games = {name: play(answer_MN, answer_RN.mean(0), pool.target) for name, play in GAMES.items()} if chosen else {}
        for game, given_MN in {"": answer_MN, **games}.items():
            told_MT = np.reshape(learnt.predict(given_MN), (-1, len(pool.figures)))
            refused_M = crowd.likeness(given_MN).refused()
            tables.append(_rows(told_MT, asked, half_T, refused_M).assign(budget=budget, game=game))
    way = {"method": fit.estimator, "choice": fit.choice, "draw": fit.draw}
    return pd.concat(tables, ignore_index=True).assign(**way)


def in_turn(fit: Fit, pool: Pool, asked: Order, most: int | None = None, judged: bool = False) -> pd.DataFrame:
    """The bias of the references that were left out, as answers to these images come in, each image chosen by those before it.

    Of `most` of them, drawn at random, or of all. A row a reference, figure and number of answers (`budget`); `spread` is that
    of `estimators.local`; where it is to be judged, which takes longer, `refused` is as in `left_out`.
    """
    out_R = (pool.about["network"] == fit.held).to_numpy()
    drawn = np.sort(rng("replayed", fit.held).permutation(np.flatnonzero(out_R))[:most])
    left, held = _part(pool, ~out_R), _part(pool, drawn)
    answer_RN, answer_MN = left.answer_RN[:, asked], held.answer_RN[:, asked]
    value_MKT, spread_MKT, image_MK = replayed(Local().fit(answer_RN, left.truth_RT), answer_MN)
    refused_MK = np.zeros(image_MK.shape, bool)
    for m, k in product(range(len(image_MK)), range(FEWEST, image_MK.shape[1] + 1)) if judged else ():
        first = image_MK[m, :k]
        crowd = Crowd(answer_RN[:, first], left.about["network"])
        refused_MK[m, k - 1] = crowd.likeness(answer_MN[m : m + 1, first]).refused()[0]
    nothing_T = np.full(len(pool.figures), np.nan)
    tables = [
        _rows(value_MKT[:, k], held, nothing_T, refused_MK[:, k]).assign(budget=k + 1, spread=spread_MKT[:, k].T.ravel())
        for k in range(value_MKT.shape[1])
    ]
    return pd.concat(tables, ignore_index=True).assign(method=fit.estimator, choice="in turn", draw=0, game="")


def orders(fit: Fit, pool: Pool) -> dict[str, Order]:
    """For each architecture the images in the order that the references of the others give."""
    found = {}
    for network in pool.about["network"].unique():
        left = _part(pool, (pool.about["network"] != network).to_numpy())
        if len(left.about):
            found[network] = order(fit, left.answer_RN, left.truth_RT)
    return found


def _learnt(fit: Fit, left: Pool, asked: Order, budgets: Sequence[int]) -> Iterator[tuple[Order, Any]]:
    """For each budget the images to ask about, and the estimator that learnt from the references' answers to them."""
    for budget in budgets:
        first = asked[:budget]
        yield first, estimators.known(fit.estimator)().fit(left.answer_RN[:, first], left.truth_RT)


def half_widths(fit: Fit, pool: Pool, budgets: Sequence[int], asked: Mapping[str, Order]) -> Floats:
    """(B, T) half of the 90 % intervals, from errors on each architecture when it is left out; infinite where there is one.

    `asked` has images in their order for each architecture that can be left out (`orders`).
    """
    off, architecture_R = list[list[Floats]](), list[pd.Series]()
    for network, images in asked.items():
        out_R = (pool.about["network"] == network).to_numpy()
        left, held = _part(pool, ~out_R), _part(pool, out_R)
        told = [learnt.predict(held.answer_RN[:, first]) for first, learnt in _learnt(fit, left, images, budgets)]
        off.append([np.reshape(told_MT, held.truth_RT.shape) - held.truth_RT for told_MT in told])
        architecture_R.append(held.about["network"])
    if not off:
        return np.full((len(budgets), len(pool.figures)), np.inf)
    off_BRT = [np.concatenate([by_budget[k] for by_budget in off]) for k in range(len(budgets))]
    names = pd.concat(architecture_R, ignore_index=True)
    return np.array([[half_width(off_R, names) for off_R in off_RT.T] for off_RT in off_BRT])


def sampled(
    method: str, error_RP: Floats, examples: pd.DataFrame, pool: Pool, budgets: Sequence[int], draws: int
) -> pd.DataFrame:
    """Baselines: each figure from the errors on so many annotated images, drawn anew each time.

    A draw without an image of a group is made again, since it tells nothing of it. Budgets that are not fewer than there are
    images are left out. Raises ValueError where a group is too rare to be drawn.
    """
    tables, nothing_1, never_R = [], np.full(1, np.nan), np.zeros(len(pool.about), bool)
    for t, figure in enumerate(pool.figures):
        one = pool._replace(figures=[figure], truth_RT=pool.truth_RT[:, t : t + 1])
        for budget in (budget for budget in budgets if budget < len(examples)):
            for draw, rows in enumerate(_draws(examples, figure, budget, draws, method)):
                estimate_R1 = truth([figure], error_RP[:, rows], examples.iloc[rows])
                tables.append(_rows(estimate_R1, one, nothing_1, never_R).assign(budget=budget, draw=draw))
    return (
        pd.concat(tables, ignore_index=True).assign(method=method, choice="random", game="", refused=False)
        if tables
        else pd.DataFrame()
    )


def _draws(examples: pd.DataFrame, figure: Figure, budget: int, draws: int, purpose: str) -> Iterator[NDArray[np.int64]]:
    drawn, nothing = rng("baseline", purpose, figure.name, budget), np.zeros((1, len(examples)))
    for _ in range(draws):
        for _ in range(TRIES):
            rows = drawn.choice(len(examples), budget, replace=False)
            if np.isfinite(truth([figure], nothing[:, rows], examples.iloc[rows])).all():
                break
        else:
            raise ValueError(f"{figure.name}: {budget} images drawn at random hold no image of a group; give larger --budgets.")
        yield rows


def _part(pool: Pool, which_R: NDArray[np.bool_] | NDArray[np.int64]) -> Pool:
    about = pool.about.iloc[which_R].reset_index(drop=True)
    return pool._replace(answer_RN=pool.answer_RN[which_R], truth_RT=pool.truth_RT[which_R], about=about)


def _rows(estimate_MT: Floats, pool: Pool, half_T: Floats, refused_M: NDArray[np.bool_]) -> pd.DataFrame:
    columns = {name: pool.about[name] for name in ("id", "network", "bias")}
    return pd.concat(
        pd.DataFrame(
            {
                **columns,
                "figure": figure.name,
                "estimate": estimate_MT[:, t],
                "truth": pool.truth_RT[:, t],
                "half": half_T[t],
                "refused": refused_M,
            }
        )
        for t, figure in enumerate(pool.figures)
    )
