import numpy as np
import pandas as pd
import pytest

from biasray.metrics.clustered import flipped_p, over_clusters


def clustered(mean: float, clusters: int, seed: int, each: int = 20) -> tuple[np.ndarray, pd.Series]:
    """Values of which those of a cluster lie close together."""
    drawn = np.random.default_rng(seed)
    own_C = drawn.normal(mean, 1, clusters)
    return np.repeat(own_C, each) + drawn.normal(0, 0.1, clusters * each), pd.Series(np.repeat(np.arange(clusters), each))


def test_the_interval_holds_the_true_mean_as_often_as_it_says() -> None:
    held = 0
    for seed in range(200):
        interval = over_clusters(*clustered(3, 30, seed), np.random.default_rng(seed))
        held += interval.low <= 3 <= interval.high
    assert 0.88 <= held / 200 <= 0.98  # as if the values were 600 on their own it would be one in three


def test_one_cluster_says_nothing_of_others() -> None:
    assert np.isnan(over_clusters(*clustered(3, 1, 0), np.random.default_rng(0)).low)


def test_values_that_are_alike_are_told_apart_as_seldom_as_p_says() -> None:
    p = [flipped_p(*clustered(0, 12, seed), np.random.default_rng(seed)) for seed in range(100)]
    assert np.mean(np.array(p) < 0.05) <= 0.12
    assert np.mean(p) == pytest.approx(0.5, abs=0.1)


def test_a_clear_difference_is_found() -> None:
    assert flipped_p(*clustered(2, 12, 0), np.random.default_rng(0)) < 0.01
    assert flipped_p(*clustered(-2, 12, 0), np.random.default_rng(0)) < 0.01
