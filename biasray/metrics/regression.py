"""Errors of a regressor by group, in the unit of the target (years, for age)."""

import numpy as np

from biasray.metrics.counts import Floats, Ints


def mae_by_group(predicted_N: Floats, target_N: Floats, group_N: Ints, groups: int) -> Floats:
    """(groups,) mean absolute error of each group; NaN for a group without examples."""
    error = np.abs(predicted_N - target_N)
    with np.errstate(invalid="ignore"):
        return np.bincount(group_N, error, groups) / np.bincount(group_N, minlength=groups)


def mae_gap(predicted_N: Floats, target_N: Floats, group_N: Ints, first: int, second: int) -> float:
    """MAE of one group minus MAE of another: male minus female, in the auditing slides."""
    mae = mae_by_group(predicted_N, target_N, group_N, max(first, second, int(group_N.max())) + 1)
    return float(mae[first] - mae[second])


def mae_gap_to_all(predicted_N: Floats, target_N: Floats, group_N: Ints, group: int) -> float:
    """MAE of one group minus MAE of all examples."""
    mae = mae_by_group(predicted_N, target_N, group_N, max(group, int(group_N.max())) + 1)
    return float(mae[group] - np.abs(predicted_N - target_N).mean())
