"""Echoes: the weights of its two networks, epoch by epoch, by hand."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from biasray import methods
from biasray.contract import Batch, Labels, Method
from tests.methods_by_hand import cross_entropy, drive, linear, random_batches, weights

T_ERROR, ALPHA, LR = 0.6, 0.4, 0.1


def build(target_N: torch.Tensor, epochs: int = 4) -> Method:
    torch.manual_seed(0)
    return methods.build("echoes", linear, Labels(target_N, 3), {"t_error": T_ERROR, "alpha": ALPHA}, epochs).double()


def test_weights_and_losses_follow_the_equations() -> None:
    batches, target_N, _ = random_batches(5, 24, 3, 2)
    method, y_N = build(target_N), target_N.numpy()
    biased_N, target_weight_N = np.ones(24), np.zeros(24)
    left_alone = listened = False
    for epoch, batch in enumerate(batches):
        i, x, y = batch.index.numpy(), batch.image.flatten(1).numpy(), batch.target.numpy()
        expected = []
        for name, weight_N, times in (("biased", biased_N, 1), ("target", target_weight_N, 1000)):
            w, c = weights(method, name)
            expected.append(((name,), pytest.approx(times * (weight_N[i] * cross_entropy(x @ w.T + c, y)[0]).mean(), rel=1e-6)))
        seen = drive(method, batch, LR / 10 if epoch else LR)
        assert seen == (expected if epoch else expected[:1]), "the target learns from the second epoch on"

        def scan(batch: Batch = batch) -> Iterator[Batch]:
            yield batch

        (stage,) = method.stages()
        assert stage.after_epoch is not None
        stage.after_epoch(scan)
        w, c = weights(method, "biased")
        wrong_N = np.zeros(24, bool)
        wrong_N[i] = (x @ w.T + c).argmax(1) != y
        for k in range(3):
            error = wrong_N[y_N == k].mean()
            if error < T_ERROR:
                biased_N[(y_N == k) & wrong_N] *= ALPHA
            listened |= 0 < error < T_ERROR
            left_alone |= error >= T_ERROR
        biased_N = biased_N / biased_N.max()
        target_weight_N = 1 / (biased_N + 1e-8)
        for k in range(3):
            target_weight_N[y_N == k] /= target_weight_N[y_N == k].sum()
        target_weight_N = target_weight_N / target_weight_N.max()
        np.testing.assert_allclose(method.get_buffer("biased_weight_N"), biased_N, rtol=1e-6)
        np.testing.assert_allclose(method.get_buffer("target_weight_N"), target_weight_N, rtol=1e-6)
    assert left_alone
    assert listened


def test_it_trains_on_in_training_mode_after_an_epoch() -> None:
    """The authors' code leaves the biased network in evaluation mode."""
    from tests.training import Case, whole

    assert any("target" in entry["losses"] for entry in whole(Case("echoes")).history)


def test_one_epoch_is_refused() -> None:
    with pytest.raises(ValueError, match="give --epochs 2 or more"):
        build(torch.tensor([0, 1, 2]), epochs=1)
