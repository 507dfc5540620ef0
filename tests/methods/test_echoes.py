"""Echoes: the weights of its two networks, epoch by epoch, by hand."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from biasray import methods
from biasray.contract import Batch, Labels, Method
from biasray.loop import Place, Plan, train
from biasray.recipe import Recipe
from tests.methods_by_hand import cross_entropy, drive, linear, random_batches, weights
from tests.training import BATCH, Case, labels, tables

T_ERROR, ALPHA, LR = 0.6, 0.4, 0.1


def build(target_N: torch.Tensor) -> Method:
    torch.manual_seed(0)
    return methods.build("echoes", linear, Labels(target_N, 3), {"t_error": T_ERROR, "alpha": ALPHA}, 4).double()


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


def test_it_trains_on_in_training_mode_after_an_epoch(tmp_path: Path) -> None:
    """The authors' code leaves the biased network in evaluation mode."""
    modes, of = set[tuple[bool, bool]](), tables()

    def born() -> Method:
        method = Case("echoes").build(labels(of))
        biased = method.get_submodule("biased")
        biased.register_forward_hook(lambda network, *_: modes.add((network.training, torch.is_grad_enabled())))
        return method

    train(born, of, Plan(recipe=Recipe(batch=BATCH), seed=0), Place(folder=str(tmp_path)))
    assert modes == {(True, True), (False, False)}
