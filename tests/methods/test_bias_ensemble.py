"""BiasEnsemble: the committee's losses and votes, and LfF on what it found aligned."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from biasray import methods
from biasray.contract import Batch, Labels, Method
from tests.methods_by_hand import cross_entropy, drive, linear, random_batches, softmax, weights

Q, ALPHA, SURE, LR = 0.6, 0.8, 0.4, 0.5


def build(target_N: torch.Tensor) -> Method:
    torch.manual_seed(0)
    settings = {"members": 3, "agree": 2, "steps": 100, "q": Q, "alpha": ALPHA, "sure": SURE}
    return methods.build("bias-ensemble", linear, Labels(target_N, 3), settings, 1).double()


def test_each_member_learns_by_itself_and_is_kept_at_its_best_on_validation() -> None:
    (batch, *_), target_N, _ = random_batches(1, 8, 3, 2)
    method = build(target_N)
    *committee, survey, fit = method.stages()
    assert [stage.name for stage in (survey, fit)] == ["survey", "fit"]
    assert [(stage.keep, stage.steps) for stage in committee] == [((f"member_{k}",), 100) for k in range(3)]
    for stage in committee:
        (name,) = stage.keep
        assert stage.choose is method.get_submodule(name)
        w, c = weights(method, name)
        loss_B, _ = cross_entropy(batch.image.flatten(1).numpy() @ w.T + c, batch.target.numpy())
        assert stage.step is not None
        method.step = stage.step
        assert drive(method, batch, LR) == [((name,), pytest.approx((Q * np.exp(-loss_B) ** Q * loss_B).mean(), rel=1e-6))]
    assert len({float(weights(method, f"member_{k}")[0][0, 0]) for k in range(3)}) == 3


def test_what_enough_members_are_sure_of_is_aligned_and_teaches_the_biased_network() -> None:
    batches, target_N, _ = random_batches(4, 8, 3, 2)
    method = build(target_N)
    *_, survey, _ = method.stages()

    def scan() -> Iterator[Batch]:
        yield from batches[:3]

    assert survey.after_epoch is not None
    survey.after_epoch(scan)
    aligned_N = method.get_buffer("aligned_N").numpy()
    for batch in batches[:3]:
        sure = 0
        for k in range(3):
            w, c = weights(method, f"member_{k}")
            p = softmax(batch.image.flatten(1).numpy() @ w.T + c)
            sure = sure + (np.take_along_axis(p, batch.target.numpy()[:, None], 1)[:, 0] > SURE)
        assert (aligned_N[batch.index] == (sure >= 2)).all()
    assert 0 < aligned_N.sum() < 24

    ema = {"biased": np.full(24, np.nan), "debiased": np.full(24, np.nan)}
    for batch in batches:
        i, x, y = batch.index.numpy(), batch.image.flatten(1).numpy(), batch.target.numpy()
        loss, share = {}, {}
        for name, old_N in ema.items():
            w, c = weights(method, name)
            loss[name], _ = cross_entropy(x @ w.T + c, y)
            old_N[i] = np.where(np.isnan(old_N[i]), loss[name], ALPHA * old_N[i] + (1 - ALPHA) * loss[name])
            top = np.array([np.nanmax(np.where(target_N.numpy() == k, old_N, np.nan), initial=0) for k in range(3)])
            share[name] = old_N[i] / top[y]
        weight_B = share["biased"] / (share["biased"] + share["debiased"] + 1e-8)
        of_aligned = loss["biased"][aligned_N[i]].mean() if aligned_N[i].any() else 0
        assert drive(method, batch, LR) == [
            (("biased",), pytest.approx(of_aligned, rel=1e-5)),
            (("debiased",), pytest.approx((weight_B * loss["debiased"]).mean(), rel=1e-5)),
        ]


def test_a_committee_that_agrees_on_nothing_leaves_the_losses_finite() -> None:
    (batch, *_), target_N, _ = random_batches(1, 8, 3, 2)
    (_, biased), (_, debiased) = drive(build(target_N), batch, LR)
    assert biased == 0
    assert 0 < debiased < 10


def test_more_members_that_must_agree_than_there_are_are_refused() -> None:
    with pytest.raises(ValueError, match="'agree' of bias-ensemble must be 1 to its 5 members, not 6"):
        methods.config("bias-ensemble", {"agree": 6})
