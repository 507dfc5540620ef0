"""The oracle against its equations in numpy."""

import numpy as np
import pytest
import torch

from biasray import methods
from biasray.contract import Labels
from tests.methods_by_hand import cross_entropy, drive, linear, random_batches, weights


def test_known_conflicting_examples_are_poisoned_for_good_and_the_ideal_network_learns_the_bias() -> None:
    batches, target_N, bias_N = random_batches(4, 10, 3, 3)
    torch.manual_seed(0)
    method = methods.build("oracle", linear, Labels(target_N, 3, bias_N, 3), {}, 4).double()
    label_N, changed = target_N.numpy().copy(), 0
    for batch in batches:
        i, x = batch.index.numpy(), batch.image.flatten(1).numpy()
        (w, c), (v, d) = weights(method, "poisoned"), weights(method, "ideal")
        odd = (batch.bias != batch.target).numpy()
        changed += int((label_N[i[odd]] != (x @ w.T + c).argmax(1)[odd]).sum())
        label_N[i[odd]] = (x @ w.T + c).argmax(1)[odd]
        poisoned, ideal = drive(method, batch, 0.5)
        assert (poisoned[0], ideal[0]) == (("poisoned",), ("ideal",))
        assert poisoned[1] == pytest.approx(cross_entropy(x @ w.T + c, label_N[i])[0].mean(), rel=1e-9)
        assert ideal[1] == pytest.approx(cross_entropy(x @ v.T + d, bias_N.numpy()[i])[0].mean(), rel=1e-9)
    assert changed > 2
    assert np.array_equal(method.get_buffer("label_N"), label_N)


def test_it_is_no_debiasing_method() -> None:
    assert "oracle" not in methods.debiasing()
    assert {"erm", "group-dro", "poisoner"} <= set(methods.debiasing())
