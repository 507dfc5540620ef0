"""Ways of repair, on models whose level of bias is planted."""

from itertools import islice

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from biasray.weights.chain import Layer, chain
from biasray.weights.detectors.conv1x1 import Conv1x1
from biasray.weights.localise import by_unit, towards
from biasray.weights.repair import WAYS, Case, names
from tests.weights.planted import LEVELS, rows

GUIDED = ["fgsm", "gradient", "gradient-digits"]


class Sick:
    """Models, a detector of their level, and a made-up wish of the digits: that all weights are 1."""

    def __init__(self) -> None:
        self.weight_MP, level_M, self.layout = rows(80)
        self.detector = Conv1x1(self.layout, epochs=30).fit(self.weight_MP.numpy(), level_M.numpy())
        self.layer = chain(self.layout)[2]

    def case(self, seed: int = 0) -> Case:
        return Case(self.layout, self.layer, self.bias, lambda weight_MP, step: weight_MP - 1, seed)

    def bias(self, weight_MP: Tensor) -> Tensor:
        return towards(self.detector, weight_MP, LEVELS - 1)

    def after(self, way: str, weight_MP: Tensor, size: float, steps: int, seed: int = 0) -> Tensor:
        return list(islice(WAYS[way].steps(self.case(seed), weight_MP, size), steps))[-1]


@pytest.fixture(scope="module")
def sick() -> Sick:
    return Sick()


@pytest.mark.parametrize("way", [*GUIDED, "fine-tune"])
def test_a_model_is_repaired_the_same_in_any_company(way: str, sick: Sick) -> None:
    together = sick.after(way, sick.weight_MP[:6], 0.01, WAYS[way].stops[0])
    torch.testing.assert_close(together[2:3], sick.after(way, sick.weight_MP[2:3], 0.01, WAYS[way].stops[0]))


@pytest.mark.parametrize("way", GUIDED)
def test_steps_against_the_gradient_make_the_detector_read_less_bias(way: str, sick: Sick) -> None:
    def p_least(weight_MP: Tensor) -> float:
        return float(sick.detector.predict_proba(weight_MP.numpy())[:, LEVELS - 1].mean())

    biased_MP = sick.weight_MP[:8]
    few, many = (sick.after(way, biased_MP, 0.005, steps) for steps in (1, 10))
    assert p_least(biased_MP) < p_least(few) < p_least(many)


@pytest.mark.parametrize("way", ["fgsm", "gradient"])
def test_the_step_is_of_its_size_in_the_weight_that_moves_most(way: str, sick: Sick) -> None:
    before_MP = sick.weight_MP[:4]
    moved_M = (sick.after(way, before_MP, 0.01, 1) - before_MP).abs().amax(1)
    torch.testing.assert_close(moved_M, torch.full((4,), 0.01), rtol=1e-3, atol=1e-6)


def test_the_step_with_digits_is_that_without_and_that_of_the_digits(sick: Sick) -> None:
    before_MP = sick.weight_MP[:4]
    alone, both = (sick.after(way, before_MP, 0.01, 1) - before_MP for way in ("gradient", "gradient-digits"))
    d_MP = before_MP - 1
    digits = -0.01 * d_MP / d_MP.abs().amax(1, keepdim=True)
    torch.testing.assert_close(both, alone + digits, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("way", ["fgsm", "gradient"])
def test_the_control_takes_the_same_steps_in_other_places_of_each_tensor(way: str, sick: Sick) -> None:
    before_MP, control = sick.weight_MP[:4], WAYS[way].control
    assert control
    moved = sick.after(way, before_MP, 0.01, 1) - before_MP
    other = next(control(sick.case(), before_MP, 0.01)) - before_MP
    assert not torch.allclose(moved, other)
    for entry in sick.layout.entries:
        mine, its = (step[:, entry.start : entry.stop].sort(1).values for step in (moved, other))
        torch.testing.assert_close(mine, its, rtol=1e-3, atol=1e-6)


def reset(sick: Sick, layer: Layer, way: str, size: float = 1.0) -> tuple[Tensor, Tensor]:
    """(M, U, R) the weights and the bias of a layer before it is reset, and after; nothing else has moved."""
    case, before_MP = sick.case()._replace(layer=layer), sick.weight_MP[:4]
    after_MP = next(WAYS[way].steps(case, before_MP, size))
    entries = (layer.weight, *layer.vectors)
    inside_P = torch.zeros(before_MP.shape[1], dtype=torch.bool)
    for entry in entries:
        inside_P[entry.start : entry.stop] = True
    assert torch.equal(after_MP[:, ~inside_P], before_MP[:, ~inside_P])
    return tuple(  # type: ignore[return-value]
        torch.cat([w_MP[:, e.start : e.stop].unflatten(1, (layer.units, -1)) for e in entries], 2)
        for w_MP in (before_MP, after_MP)
    )


@pytest.mark.parametrize("number", [1, 2], ids=["convolution", "dense"])
def test_units_that_are_reset_are_those_that_the_gradient_is_largest_at(number: int, sick: Sick) -> None:
    layer, share = chain(sick.layout)[number], 0.25
    before_MUR, after_MUR = reset(sick, layer, "reset-units", share)
    moved_MUR = before_MUR != after_MUR
    assert torch.equal(moved_MUR.all(2), moved_MUR.any(2))
    for found_U, moved_U in zip(by_unit(sick.bias(sick.weight_MP[:4]), layer), moved_MUR.all(2), strict=True):
        assert moved_U.sum() == round(share * layer.units)
        assert found_U[moved_U].min() >= found_U[~moved_U].max()


@pytest.mark.parametrize("number", [1, 2], ids=["convolution", "dense"])
def test_a_layer_that_is_reset_is_drawn_as_torch_begins(number: int, sick: Sick) -> None:
    layer = chain(sick.layout)[number]
    _, after_MUR = reset(sick, layer, "reset-layer")
    fan_in = after_MUR.shape[2] - 1
    assert fan_in**-0.5 * 0.95 < after_MUR.abs().max() <= fan_in**-0.5
    assert after_MUR[..., -1].abs().max() > fan_in**-0.5 * 0.7  # the bias


def test_fine_tuning_is_adam_on_that_layer_alone(sick: Sick) -> None:
    before_MP, entries = sick.weight_MP[:3], (sick.layer.weight, *sick.layer.vectors)
    after_MP = sick.after("fine-tune", before_MP, 0.1, 3)
    tuned = before_MP.clone().requires_grad_()
    adam = torch.optim.Adam([tuned], 0.1)
    for _ in range(3):
        adam.zero_grad()
        (0.5 * F.mse_loss(tuned, torch.ones_like(tuned), reduction="sum")).backward()
        adam.step()
    inside_P = torch.zeros(before_MP.shape[1], dtype=torch.bool)
    for entry in entries:
        inside_P[entry.start : entry.stop] = True
    torch.testing.assert_close(after_MP[:, inside_P], tuned.detach()[:, inside_P])
    assert torch.equal(after_MP[:, ~inside_P], before_MP[:, ~inside_P])


def test_chance_in_a_repair_comes_from_its_seed(sick: Sick) -> None:
    control = WAYS["gradient"].control
    assert control
    for steps in (WAYS["reset-layer"].steps, control):
        first, again, other = (next(steps(sick.case(seed), sick.weight_MP[:2], 0.01)) for seed in (0, 0, 1))
        assert torch.equal(first, again)
        assert not torch.equal(first, other)


def test_ways_that_learn_from_digits_say_so(sick: Sick) -> None:
    for way in WAYS.values():
        asked = list[int]()

        def digits(weight_MP: Tensor, step: int, asked: list[int] = asked) -> Tensor:
            asked.append(step)
            return torch.ones_like(weight_MP)

        list(islice(way.steps(sick.case()._replace(digits=digits), sick.weight_MP[:2], 0.1), 3))
        assert asked == (list(range(3)) if way.learns else [])


def test_an_unknown_way_is_one_sentence() -> None:
    assert names(("all", "fgsm")) == tuple(WAYS)
    assert names(("fgsm", "dropout")) == ("dropout", "fgsm")
    with pytest.raises(ValueError, match=r"^Unknown way of repair 'magic'; choose from reset-layer, .*, or all\.$"):
        names(("magic",))
