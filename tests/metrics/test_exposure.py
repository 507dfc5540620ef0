import numpy as np
import pytest
import torch

from biasray.metrics.exposure import figures, sides


def test_each_side_has_its_own_errors_and_losses() -> None:
    target_N, bias_N = torch.tensor([0, 1, 0, 1, 1]), torch.tensor([0, 1, 1, 0, 0])
    logits_NK = torch.tensor([[2.0, 0.0], [2.0, 0.0], [0.0, 3.0], [0.0, 1.0], [0.0, 1.0]])
    found = sides(logits_NK, target_N, bias_N)
    assert (found["aligned"]["n"], found["aligned"]["wrong"]) == (2, 1)
    assert (found["conflicting"]["n"], found["conflicting"]["wrong"]) == (3, 1)
    losses = -logits_NK.log_softmax(1)[range(5), target_N]
    assert found["aligned"]["loss"] == pytest.approx(float(losses[:2].sum()))
    assert found["conflicting"]["loss"] == pytest.approx(float(losses[2:].sum()))


def test_a_side_without_examples_counts_nothing() -> None:
    found = sides(torch.tensor([[1.0, 0.0]]), torch.tensor([0]), torch.tensor([0]))
    assert found["conflicting"] == {"n": 0, "wrong": 0, "loss": 0.0}


def test_precision_is_that_of_the_whole_table_not_of_the_judged_examples() -> None:
    """990 aligned, 10 wrong at 1 %; 10 conflicting, 8 wrong at 80 %: of 17.9 found 8 are right."""
    found = figures({"aligned": np.array([0.01]), "conflicting": np.array([0.8])}, {"aligned": 990, "conflicting": 10})
    assert found["bias_accuracy"] == pytest.approx((0.99 + 0.8) / 2)
    assert found["conflicting_recall"] == pytest.approx(0.8)
    assert found["conflicting_precision"] == pytest.approx(8 / 17.9)


def test_where_nothing_is_found_there_is_no_precision() -> None:
    none = dict.fromkeys(("aligned", "conflicting"), np.zeros(1))
    assert np.isnan(figures(none, {"aligned": 90, "conflicting": 10})["conflicting_precision"])
