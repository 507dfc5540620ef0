"""JLU against its equations in numpy, and what it is for: heads that can tell the attribute no longer."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from biasray import methods
from biasray.contract import Batch, Labels, Method
from biasray.loop import Place, Plan, train
from biasray.methods.jlu import entropy
from biasray.recipe import Recipe
from tests import training
from tests.methods_by_hand import cross_entropy, linear, random_batches, softmax, weights

LR = 0.5


def build(target_N: Tensor, **settings: Any) -> Method:
    torch.manual_seed(0)
    told = Labels(target_N, 3, secondary={"s": (4, 4), "r": (2, 2, 2, 2)})
    return methods.build("jlu", linear, told, settings, 1).double()


def drive(method: Method, batches: dict[str, Batch]) -> list[tuple[tuple[str, ...], float]]:
    """One step with plain gradient descent: what it yielded."""
    seen = []
    for networks, loss in method.step(lambda stream="train": batches[stream], method.config.alpha):  # type: ignore[call-arg, operator]
        parameters = [p for name in networks for p in method.get_submodule(name).parameters()]
        for p in parameters:
            p.grad = None
        loss.backward(inputs=parameters)
        with torch.no_grad():
            for p in parameters:
                if p.grad is not None:
                    p -= LR * p.grad
        seen.append((networks, loss.item()))
    return seen


def confusion(logits_BK: np.ndarray) -> float:
    return float(-np.log(softmax(logits_BK)).mean())


@pytest.mark.parametrize("routing", ["alvi", "printed"])
def test_losses_follow_the_equations_and_move_what_the_routing_says(routing: str) -> None:
    """Features are the pixels here, so a network has nothing below its head."""
    (main, s, r), target_N, _ = random_batches(1, 8, 3, 2)
    of = {"train": main, "s": s._replace(target=s.target % 2), "r": r._replace(target=r.index % 4)}
    method = build(target_N, alpha=0.7, enough=1.0, routing=routing)
    w, c = weights(method, "network")
    heads = {name: weights(method, f"tells_{k}") for k, name in enumerate(("s", "r"))}
    expected = []
    for k, name in enumerate(("s", "r")):
        x, y = of[name].image.flatten(1).numpy(), of[name].target.numpy()
        w_s, c_s = heads[name]
        loss_B, error_BK = cross_entropy(x @ w_s.T + c_s, y)
        expected.append(loss_B.mean())
        heads[name] = [w_s - LR * error_BK.T @ x / len(x), c_s - LR * error_BK.mean(0)]
        assert loss_B.mean() > np.log([2, 4][k])  # or nothing would be learnt, and this test would be of nothing
    loss_B, _ = cross_entropy(main.image.flatten(1).numpy() @ w.T + c, main.target.numpy())
    doubt = [confusion(of[name].image.flatten(1).numpy() @ heads[name][0].T + heads[name][1]) for name in ("s", "r")]
    expected.append(loss_B.mean() + 0.7 * sum(doubt))

    seen = drive(method, of)

    alvi = [("tells_0",), ("tells_1",), ("network",)]
    printed = [("tells_0", "network"), ("tells_1", "network"), ("network", "tells_0", "tells_1")]
    assert [networks for networks, _ in seen] == (alvi if routing == "alvi" else printed)
    assert [loss for _, loss in seen] == pytest.approx(expected, rel=1e-6)
    for k, name in enumerate(("s", "r")):
        moved = [np.abs(a - b).max() for a, b in zip(weights(method, f"tells_{k}"), heads[name], strict=True)]
        assert (max(moved) < 1e-12) == (routing == "alvi")  # as printed, confusion moves the heads as well
    (slot,) = method.get_buffer("steps_S").nonzero()[:, 0].tolist()
    np.testing.assert_allclose(method.get_buffer("duel_S2A")[slot], [expected[:2], doubt], rtol=1e-6)


def test_what_a_guess_has_is_by_frequency() -> None:
    assert entropy((3, 3)) == pytest.approx(math.log(2))
    assert entropy((5, 0, 5)) == pytest.approx(math.log(2))  # a value that is never seen is no choice
    assert entropy((0, 7)) == 0
    assert entropy((90, 10)) == pytest.approx(-0.9 * math.log(0.9) - 0.1 * math.log(0.1))


@pytest.mark.parametrize("most", [1, 4])
def test_an_attribute_is_learnt_until_it_is_known_well_enough_but_not_more_often_than_allowed(most: int) -> None:
    (main, s, r), target_N, _ = random_batches(1, 8, 3, 2)
    of = {"train": main, "s": s._replace(target=torch.zeros(8).long()), "r": r._replace(target=r.index % 4)}
    method = build(target_N, enough=0.9, most=most)
    times = {"tells_0": 0, "tells_1": 0}
    for _ in range(40):
        seen = [networks[0] for networks, _ in drive(method, of)]
        times = {head: seen.count(head) for head in times}
        assert max(times.values()) <= most
    assert times["tells_0"] == 0  # s has one value here, which is soon known
    assert times["tells_1"] <= most


def trained(folder: Path, method: str, epochs: int = 12, **settings: Any) -> tuple[Method, list[dict[str, Any]]]:
    of = training.tables(400)
    secondary = training.table(400, 9)
    assert secondary.bias_N is not None
    secondary.target_N = secondary.bias_N
    of["secondary"] = secondary
    told = training.labels(of)
    told = Labels(told.target_N, told.classes, secondary={"secondary": (200, 200)})
    make = training.partial(training.networks.build, "cnn", (3, training.SIDE, training.SIDE))
    plan = Plan(recipe=Recipe(lr=2e-3, batch=50), seed=0)
    return train(lambda: methods.build(method, make, told, settings, epochs), of, plan, Place(folder=str(folder)))


def test_with_alpha_0_it_is_erm_bit_for_bit(tmp_path: Path) -> None:
    (erm, _), (none, _) = trained(tmp_path / "erm", "erm"), trained(tmp_path / "jlu", "jlu", alpha=0.0)
    assert all(torch.equal(x, none.state_dict()[name]) for name, x in erm.state_dict().items())


def test_epochs_before_are_as_if_nothing_were_to_be_unlearnt(tmp_path: Path) -> None:
    _, erm = trained(tmp_path / "erm", "erm", epochs=2)
    _, later = trained(tmp_path / "jlu", "jlu", epochs=2, alpha=1.0, first=2)
    assert [(entry["stage"], entry["epoch"]) for entry in later] == [("start", 1), ("start", 2), ("fit", 1), ("fit", 2)]
    assert [entry["losses"]["network"] for entry in later[:2]] == [entry["losses"]["network"] for entry in erm]
    assert later[2]["losses"]["network"] > erm[1]["losses"]["network"] + 0.3  # confusion is at least log 2


def test_a_head_that_goes_on_learning_can_tell_the_attribute_no_longer(tmp_path: Path) -> None:
    """It says nothing of another reader: a fresh one still tells this attribute from these features, always."""
    loss = {}
    for alpha in (0.0, 2.0):
        method, _ = trained(tmp_path / str(alpha), "jlu", alpha=alpha, most=5, enough=1.0)
        learnt_S, steps_S = method.get_buffer("duel_S2A")[:, 0, 0], method.get_buffer("steps_S")
        last_S = (steps_S > 0).nonzero()[-8:, 0]
        loss[alpha] = float((learnt_S[last_S] / steps_S[last_S]).mean()) / math.log(2)
    assert loss[2.0] > loss[0.0] + 0.1
