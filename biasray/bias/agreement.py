"""Agreement between target and bias: the share of examples whose bias value is the one that goes with their target.

Tables are labelled so that an example is aligned where `target == bias` (see `label`).
"""

import numpy as np
import pandas as pd

from biasray.bias.cells import cells, choose


def agreement(
    examples: pd.DataFrame,
    targets: int,
    biases: int,
    rho: float,
    rng: np.random.Generator,
    size: int | None = None,
    nearest: bool = False,
) -> pd.DataFrame:
    """The largest table (or one of this size) in which every target has the same number of examples, a share rho
    of them aligned and the rest spread evenly over the other bias values.

    Raises ValueError where the data cannot give it; with `nearest`, the largest feasible size instead of `size`.
    """
    check(rho)
    have = cells(examples, targets, biases)
    feasible = min(largest(have[t], t, rho) for t in range(targets))
    if size is not None and size < targets:
        raise ValueError(f"{size:,} examples are fewer than the {targets} targets; ask for more.")
    n = feasible if size is None else size // targets
    if size is not None and n > feasible and not nearest:
        raise ValueError(
            f"Agreement {rho:g} with {size:,} examples cannot be had: the data give at most {feasible * targets:,} "
            f"({size - feasible * targets:,} short); ask for fewer examples or a lower agreement."
        )
    n = min(n, feasible)
    if n == 0:
        empty = "; ".join(f"target {t} with bias {b}" for t, b in np.argwhere(have == 0)) or "some cell"
        raise ValueError(f"Agreement {rho:g} cannot be had: there are no examples of {empty}; choose another map or agreement.")
    if 0 < rho < 1 and round(rho * n) in (0, n):
        kind = "conflicting" if round(rho * n) else "aligned"
        raise ValueError(
            f"Agreement {rho:g} of {n:,} examples a target leaves no {kind} one; use more data or another agreement."
        )
    wanted = {(t, b): k for t in range(targets) for b, k in enumerate(spread(n, t, biases, rho, rng))}
    return choose(examples, wanted, rng)


def of_ratio(alpha: float) -> float:
    """The agreement 1 / (1 + alpha) of a ratio alpha of conflicting to aligned examples (figure 5 of Zhang et al. 2024)."""
    if not alpha >= 0:
        raise ValueError(f"A conflict ratio is 0 or more, not {alpha:g}.")
    return 1 / (1 + alpha)


def check(rho: float) -> None:
    if not 0 <= rho <= 1:
        raise ValueError(f"An agreement is a share from 0 to 1, not {rho:g}.")


def spread(n: int, target: int, biases: int, rho: float, rng: np.random.Generator) -> list[int]:
    """How many of n examples of a target get each bias value: round(rho n) aligned, the rest evenly (remainder at random)."""
    aligned = round(rho * n)
    others = [b for b in range(biases) if b != target]
    counts = np.zeros(biases, np.int64)
    counts[target] = aligned
    counts[others] = (n - aligned) // len(others)
    counts[rng.permutation(others)[: (n - aligned) % len(others)]] += 1
    return [int(k) for k in counts]


def largest(have_B: np.ndarray, target: int, rho: float) -> int:
    """Most examples of a target that can be had with this agreement, of `have_B` of each bias value."""
    others = np.delete(have_B, target)
    if (rho > 0 and have_B[target] == 0) or (rho < 1 and others.min() == 0):
        return 0  # a few examples would do, since shares of them round to 0, but the agreement would not be rho
    low, high = 0, int(have_B.sum())
    while low < high:
        n = (low + high + 1) // 2
        conflicting = n - round(rho * n)
        enough = round(rho * n) <= have_B[target] and -(-conflicting // len(others)) <= others.min()
        low, high = (n, high) if enough else (low, n - 1)
    return low
