from pathlib import Path

import numpy as np
import pytest

from biasray.metrics.calibration import Reliability, reliability


def test_error_of_published_predictions(shared: Path) -> None:
    """CIFAR-100 softmax of a LeNet-5; values of `../shared/README.md`."""
    found = np.load(shared / "data" / "calibration" / "lenet-5-cifar-100.npz")
    p_NK, target_N = found["predictions"], found["ground_truth"]
    assert float(reliability(p_NK, target_N, 10).error) == pytest.approx(0.01468089, abs=1e-7)
    assert float(reliability(p_NK, target_N, 15).error) == pytest.approx(0.01487848, abs=1e-7)


def test_error_by_hand() -> None:
    # Two of 0.95, one right: off by 0.45; two of 0.65, both right: off by 0.35.
    p_NK = np.array([[0.95, 0.05], [0.95, 0.05], [0.35, 0.65], [0.35, 0.65]])
    found = reliability(p_NK, np.array([0, 1, 1, 1]), 10)
    assert found.n_S.tolist() == [0, 0, 0, 0, 0, 0, 2, 0, 0, 2]
    assert float(found.error) == pytest.approx((2 * 0.45 + 2 * 0.35) / 4)


def test_a_confidence_on_an_edge_is_in_the_lower_bin() -> None:
    assert reliability(np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([0, 0]), 2).n_S.tolist() == [1, 1]


def test_parts_add_up() -> None:
    drawn = np.random.default_rng(0)
    p_NK, target_N = drawn.dirichlet(np.ones(3), 60), drawn.integers(0, 3, 60)
    parts = [reliability(p_NK[part], target_N[part]) for part in (slice(20), slice(20, 60))]
    whole = Reliability(*(a + b for a, b in zip(*parts, strict=True)))
    assert float(whole.error) == pytest.approx(float(reliability(p_NK, target_N).error))
