"""Poisoner against its equations in numpy, and its switches."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from biasray import methods
from biasray.contract import Batch, Labels, Method, Stage
from biasray.methods.poisoner import contradiction
from tests.methods_by_hand import cross_entropy, drive, linear, random_batches, softmax, weights

P, EMPHASIS, GAMMA, LR = 20.0, 1.4, 0.7, 0.5


def build(target_N: torch.Tensor, **settings: float | int | bool) -> Method:
    torch.manual_seed(0)
    given = {"p": P, "emphasis": EMPHASIS, "gamma": GAMMA, **settings}
    return methods.build("poisoner", linear, Labels(target_N, 3), given, 4).double()


def stages(method: Method) -> dict[str, Stage]:
    return {stage.name: stage for stage in method.stages()}


def run(method: Method, name: str, batch: Batch) -> float:
    step = stages(method)[name].step
    assert step is not None
    method.step = step
    ((networks, loss),) = drive(method, batch, LR)
    assert networks == ({"poison": "biased", "debias": "debiased"}[name],)
    return loss


def test_what_is_far_from_its_class_is_poisoned_for_good() -> None:
    batches, target_N, _ = random_batches(8, 10, 3, 2)
    method, label_N, changed = build(target_N), target_N.numpy().copy(), 0
    for batch in batches:
        i, x = batch.index.numpy(), batch.image.flatten(1).numpy()
        w, c = weights(method, "biased")
        z = x / np.linalg.norm(x, axis=1, keepdims=True)
        e, d = np.exp(z @ z.T), np.zeros(len(i))
        for a in range(len(i)):
            same = [b for b in range(len(i)) if b != a and label_N[i[b]] == label_N[i[a]]]
            d[a] = -np.mean([np.log(e[a, b] / (e[a].sum() - e[a, a])) for b in same]) if same else 0
        odd = np.flatnonzero(d > np.percentile(d, 100 - P))
        predicted = (x @ w.T + c).argmax(1)
        changed += int((label_N[i[odd]] != predicted[odd]).sum())
        label_N[i[odd]] = predicted[odd]
        loss_B, _ = cross_entropy(x @ w.T + c, label_N[i])
        assert run(method, "poison", batch) == pytest.approx(loss_B.mean(), rel=1e-9)
        assert method.get_buffer("label_N").tolist() == label_N.tolist()
    assert changed > 2


def test_batches_are_balanced_by_the_poisoned_labels() -> None:
    method = build(torch.zeros(300, dtype=torch.long))
    method.get_buffer("label_N")[:30] = 2
    rows = stages(method)["poison"].streams["train"].rows
    assert rows is not None
    drawn = rows(torch.Generator().manual_seed(0))
    assert 0.4 < (drawn < 30).double().mean() < 0.6


def test_survey_finds_aligned_what_the_biased_network_has_right_with_the_labels_as_they_came() -> None:
    (batch,), target_N, _ = random_batches(1, 24, 3, 2)
    method = build(target_N)
    method.get_buffer("label_N").fill_(0)
    survey = stages(method)["survey"].after_epoch
    assert survey is not None

    def scan() -> Iterator[Batch]:
        yield batch

    survey(scan)
    w, c = weights(method, "biased")
    right_B = (batch.image.flatten(1).numpy() @ w.T + c).argmax(1) == batch.target.numpy()
    assert method.get_buffer("aligned_N")[batch.index].tolist() == right_B.tolist()


@pytest.mark.parametrize("settings", [{}, {"gamma": 0.0}, {"reweight": False}, {"reweight": False, "gamma": 0.0}])
def test_weights_and_inverse_focal_loss_follow_the_equations_and_can_be_switched_off(settings: dict[str, float]) -> None:
    batches, target_N, _ = random_batches(1, 8, 3, 2)
    method = build(target_N, **settings)
    aligned_N = method.get_buffer("aligned_N")
    aligned_N[::3] = False
    for batch in batches:
        w, c = weights(method, "debiased")
        logits, y = batch.image.flatten(1).numpy() @ w.T + c, batch.target.numpy()
        loss_B, error_BK = cross_entropy(logits, y)
        p_B, a_B = np.take_along_axis(softmax(logits), y[:, None], 1)[:, 0], aligned_N[batch.index].numpy()
        assert a_B.any()
        assert not a_B.all()
        k = ((1 - p_B[~a_B].mean()) / (1 - p_B[a_B].mean())) ** settings.get("gamma", GAMMA)
        group_B = np.where(a_B, 24 / 16, EMPHASIS * 24 / 8) if settings.get("reweight", True) else 1.0
        weight_B = group_B * np.where(a_B, k, 1)
        assert run(method, "debias", batch) == pytest.approx((weight_B * loss_B).mean(), rel=1e-6)
        step = LR * (weight_B[:, None] * error_BK).T @ batch.image.flatten(1).numpy() / len(y)  # k is a constant to it
        np.testing.assert_allclose(weights(method, "debiased")[0], w - step, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("aligned", [True, False])
def test_a_batch_of_one_kind_or_no_example_of_the_other_at_all_stays_finite(aligned: bool) -> None:
    (batch,), target_N, _ = random_batches(1, 24, 3, 2)
    method = build(target_N)
    method.get_buffer("aligned_N").fill_(aligned)
    w, c = weights(method, "debiased")
    loss_B, _ = cross_entropy(batch.image.flatten(1).numpy() @ w.T + c, batch.target.numpy())
    assert run(method, "debias", batch) == pytest.approx((1 if aligned else EMPHASIS) * loss_B.mean(), rel=1e-6)


def test_distances_are_those_of_full_precision_under_autocast() -> None:
    z_BD = torch.nn.functional.normalize(torch.rand(64, 8, generator=torch.Generator().manual_seed(0)) + 3)
    exact_B = contradiction(z_BD, torch.arange(64) % 3)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(contradiction(z_BD, torch.arange(64) % 3), exact_B)
    assert len(exact_B.unique()) > 50  # in bfloat16 they are all the same


@pytest.mark.parametrize(("n", "most"), [(1, 0), (8, 1), (16, 1), (24, 2)])
def test_a_small_batch_is_poisoned_too(n: int, most: int) -> None:
    """p % of the batch, counted as equation 5 does: above the percentile."""
    (batch,), target_N, _ = random_batches(1, 24, 3, 2)
    method = build(target_N, p=5.0)
    method.get_buffer("label_N").fill_(0)
    with torch.no_grad():
        method.get_parameter("biased.head.bias").copy_(torch.tensor([0.0, 0.0, 99.0]))
    few = Batch(*(None if field is None else field[:n] for field in batch))
    run(method, "poison", few)
    assert (method.get_buffer("label_N") == 2).sum() == most


@pytest.mark.parametrize("settings", [{"p": 101.0}, {"poison_epochs": 0}])
def test_settings_that_make_no_training_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="'p' of poisoner is 0 to 100 per cent, and 'poison_epochs' at least 1"):
        build(torch.tensor([0, 1, 2]), **settings)


def test_p_0_poisons_nothing_and_the_stages_are_as_long_as_they_are_asked_to_be() -> None:
    (batch,), target_N, _ = random_batches(1, 24, 3, 2)
    method = build(target_N, p=0.0, poison_epochs=2)
    run(method, "poison", batch)
    assert torch.equal(method.get_buffer("label_N"), target_N)
    assert {name: stage.epochs for name, stage in stages(method).items() if stage.step} == {"poison": 2, "debias": 4}
    assert stages(build(target_N))["poison"].epochs == 4
