"""Choosing examples by cell, a cell being a pair (target, bias). Every other function here ends in `choose`."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

Cell = tuple[int, int]  # codes of target and bias


def cells(examples: pd.DataFrame, targets: int, biases: int) -> np.ndarray:
    """(targets, biases) number of examples in each cell."""
    target_N, bias_N = np.asarray(examples["target"], np.int64), np.asarray(examples["bias"], np.int64)
    assert ((target_N >= 0) & (target_N < targets) & (bias_N >= 0) & (bias_N < biases)).all()
    flat = target_N * biases + bias_N
    return np.bincount(flat, minlength=targets * biases).reshape(targets, biases)


def goes_with(count_TB: np.ndarray) -> np.ndarray | None:
    """(B,) target that each bias value goes with: of which it is the largest share. None where some target gets no value."""
    share_TB = count_TB / count_TB.sum(1, keepdims=True).clip(min=1)
    target_B = share_TB.argmax(0)
    return np.asarray(target_B) if len(set(target_B)) == len(count_TB) else None


def choose(examples: pd.DataFrame, wanted: Mapping[Cell, int], rng: np.random.Generator, nearest: bool = False) -> pd.DataFrame:
    """Exactly so many examples of each cell, at random without replacement, in the order of the table.

    (The attribution paper's biased set is 3,000, 2,000 and 1,000 of three cells.) Cells not named are empty. Raises
    ValueError where one falls short, with how far; `nearest` takes all that there is instead, and the caller names
    the result as such.
    """
    target_N, bias_N = np.asarray(examples["target"]), np.asarray(examples["bias"])
    rows, short = [], []
    for cell, n in wanted.items():
        here = np.flatnonzero((target_N == cell[0]) & (bias_N == cell[1]))
        if len(here) < n and not nearest:
            short.append(f"target {cell[0]} with bias {cell[1]}: {n:,} wanted, {len(here):,} there")
        rows.append(rng.choice(here, min(n, len(here)), replace=False))
    if short:
        raise ValueError(f"The data cannot give this: {'; '.join(short)}. Ask for fewer examples or another agreement.")
    return examples.iloc[np.sort(np.concatenate(rows))].reset_index(drop=True)


def balanced(
    examples: pd.DataFrame, targets: int, biases: int, rng: np.random.Generator, size: int | None = None
) -> pd.DataFrame:
    """As many examples of every cell as the smallest cell has (or size / cells, where that is fewer)."""
    have = cells(examples, targets, biases)
    n = int(have.min())
    if n == 0:
        t, b = np.argwhere(have == 0)[0]
        raise ValueError(
            f"No balanced set: there is no example of target {t} with bias {b}; merge values or choose another bias."
        )
    if size is not None:
        n = min(n, size // have.size)
    return choose(examples, {(t, b): n for t in range(targets) for b in range(biases)}, rng)


def group_ratio(
    examples: pd.DataFrame, shares: Mapping[int, float], size: int, rng: np.random.Generator, nearest: bool = False
) -> pd.DataFrame:
    """A table of this size in which bias value b has the share shares[b] (Male 0.9, Female 0.1), targets as they come.

    Shares must sum to 1. With `nearest`, the largest table that has the shares and is not above the size.
    """
    if abs(sum(shares.values()) - 1) > 1e-9 or min(shares.values()) < 0:
        raise ValueError(f"Group shares must be 0 or more and sum to 1, not {dict(shares)}.")
    have = {b: int((examples["bias"] == b).sum()) for b in shares}
    if nearest:
        size = min([size, *(int(have[b] / share + 1e-9) for b, share in shares.items() if share > 0)])
    exact_B = np.array(list(shares.values())) * size
    n_B = np.floor(exact_B + 1e-9).astype(int)
    n_B[np.argsort(n_B - exact_B, kind="stable")[: size - n_B.sum()]] += 1  # the largest remainders, so that the size is kept
    rows = []
    for (b, share), n in zip(shares.items(), n_B, strict=True):
        if n > have[b]:
            raise ValueError(f"A share of {share:g} of {size:,} needs {n:,} examples of bias {b}; there are {have[b]:,}.")
        rows.append(rng.choice(np.flatnonzero(examples["bias"] == b), n, replace=False))
    return examples.iloc[np.sort(np.concatenate(rows))].reset_index(drop=True)
