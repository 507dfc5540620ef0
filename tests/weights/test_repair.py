"""Ways of repair, on models whose level of bias is planted."""

from itertools import islice

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from biasray.weights.chain import chain
from biasray.weights.detectors.conv1x1 import Conv1x1
from biasray.weights.localise import by_unit, towards
from biasray.weights.repair import CONTROL, LEARNS, WAYS, Case, names
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


@pytest.mark.parametrize("way", [*GUIDED, "digits", "fine-tune"])
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


def test_the_step_is_of_its_size_in_the_weight_that_moves_most(sick: Sick) -> None:
    before_MP = sick.weight_MP[:4]
    for way in ("fgsm", "gradient", "digits", "random"):
        moved_M = (sick.after(way, before_MP, 0.01, 1) - before_MP).abs().amax(1)
        torch.testing.assert_close(moved_M, torch.full((4,), 0.01), rtol=1e-3, atol=1e-6)


def test_the_step_with_digits_is_that_without_and_that_of_the_digits_alone(sick: Sick) -> None:
    before_MP = sick.weight_MP[:4]
    bias, digits, both = (sick.after(way, before_MP, 0.01, 1) - before_MP for way in ("gradient", "digits", "gradient-digits"))
    torch.testing.assert_close(both, bias + digits, rtol=1e-3, atol=1e-6)


def test_units_that_are_reset_are_those_of_the_layer_that_the_gradient_is_largest_at(sick: Sick) -> None:
    before_MP, share = sick.weight_MP[:4], 0.25
    moved_MP = sick.after("reset-units", before_MP, share, 1) != before_MP
    units, entries = sick.layer.units, (sick.layer.weight, *sick.layer.vectors)
    inside_P = torch.zeros(moved_MP.shape[1], dtype=torch.bool)
    for entry in entries:
        inside_P[entry.start : entry.stop] = True
    assert not moved_MP[:, ~inside_P].any()
    found_MU = by_unit(sick.bias(before_MP), sick.layer)
    moved_MU = moved_MP[:, sick.layer.weight.start : sick.layer.weight.stop].unflatten(1, (units, -1))
    assert torch.equal(moved_MU.all(2), moved_MU.any(2))
    for found_U, moved_U in zip(found_MU, moved_MU.all(2), strict=True):
        assert moved_U.sum() == round(share * units)
        assert found_U[moved_U].min() >= found_U[~moved_U].max()


def test_a_layer_that_is_reset_is_drawn_as_torch_begins(sick: Sick) -> None:
    layer, after_MP = sick.layer, sick.after("reset-layer", sick.weight_MP, 1.0, 1)
    fan_in = layer.weight.shape[1]
    drawn = after_MP[:, layer.weight.start : layer.weight.stop]
    assert drawn.abs().max() <= fan_in**-0.5
    begun = torch.nn.Linear(fan_in, 4096).weight.detach()
    assert float(drawn.std()) == pytest.approx(float(begun.std()), rel=0.03)


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
    for way in ("random", "reset-layer"):
        first, again, other = (sick.after(way, sick.weight_MP[:2], 0.01, 1, seed) for seed in (0, 0, 1))
        assert torch.equal(first, again)
        assert not torch.equal(first, other)


def test_ways_that_learn_from_digits_and_controls_say_so(sick: Sick) -> None:
    def used(way: str) -> set[str]:
        asked = set[str]()

        def asks(what: str, weight_MP: Tensor) -> Tensor:
            asked.add(what)
            return torch.ones_like(weight_MP)

        case = sick.case()._replace(bias=lambda w: asks("bias", w), digits=lambda w, step: asks("digits", w))
        next(WAYS[way].steps(case, sick.weight_MP[:2], 0.1))
        return asked

    for name, way in WAYS.items():
        assert ("digits" in used(name)) == (LEARNS in way.kind)
        if CONTROL in way.kind:
            assert "bias" not in used(name)


def test_an_unknown_way_is_one_sentence() -> None:
    assert names(("all", "fgsm")) == tuple(WAYS)
    with pytest.raises(ValueError, match=r"^Unknown way of repair 'magic'; choose from reset-layer, .*, or all\.$"):
        names(("magic",))
