"""Subsets by attributes, and labels that are wrong on purpose."""

from collections.abc import Mapping

import numpy as np
import pandas as pd


def subset(examples: pd.DataFrame, where: Mapping[str, str]) -> pd.DataFrame:
    """Examples with these attribute values, such as {"race": "East Asian", "gender": "Female"}."""
    mask = np.ones(len(examples), bool)
    for name, value in where.items():
        if name not in examples:
            raise ValueError(f"There is no attribute '{name}'; the data set has: {', '.join(examples.columns)}.")
        mask &= np.asarray(examples[name].astype(str) == value)
    if not mask.any():
        asked = " and ".join(f"{name} = {value}" for name, value in where.items())
        raise ValueError(f"No example has {asked}; see the manifest for the values there are.")
    return examples[mask].reset_index(drop=True)


def shuffle_targets(examples: pd.DataFrame, share: float, rng: np.random.Generator, bias: int | None = None) -> pd.DataFrame:
    """Permute the targets of a random share of the examples (of one bias group, where given) among themselves.

    The counts of each target stay as they are, in the group and in the whole.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"A share is from 0 to 1, not {share:g}.")
    group = np.arange(len(examples)) if bias is None else np.flatnonzero(examples["bias"] == bias)
    rows = rng.choice(group, round(share * len(group)), replace=False)
    target_N = np.array(examples["target"])
    target_N[rows] = rng.permutation(target_N[rows])
    return examples.assign(target=target_N)
