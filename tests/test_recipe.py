from dataclasses import replace

import pytest
import torch
from torch import nn

from biasray.recipe import Recipe


def schedule_of_torch(recipe: Recipe, epochs: int) -> list[float]:
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], recipe.lr)
    torch_schedule = (
        torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
        if recipe.schedule == "cosine"
        else torch.optim.lr_scheduler.StepLR(optimiser, recipe.every, recipe.drop)
    )
    rates = []
    for _ in range(epochs):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        torch_schedule.step()
    return rates


@pytest.mark.parametrize("recipe", [Recipe(schedule="cosine", lr=0.3), Recipe(schedule="step", every=4, drop=0.2)])
def test_schedules_are_those_of_torch(recipe: Recipe) -> None:
    assert [recipe.rate(e, 12) for e in range(12)] == pytest.approx(schedule_of_torch(recipe, 12))


def test_cosine_moves_within_an_epoch_and_ends_at_zero_for_good() -> None:
    recipe = Recipe(schedule="cosine", lr=1)
    assert recipe.rate(2.5, 10) == pytest.approx((1 + 2**-0.5) / 2)
    assert recipe.rate(10, 10) == recipe.rate(13, 10) == pytest.approx(0)


def test_steps_fall_at_whole_multiples_only() -> None:
    recipe = Recipe(schedule="step", lr=1, every=10, drop=0.1)
    assert [recipe.rate(e, 30) for e in (0, 9.99, 10, 19.99, 20)] == pytest.approx([1, 1, 0.1, 0.1, 0.01])


def test_a_constant_rate_is_constant() -> None:
    assert {Recipe(lr=0.02).rate(e, 10) for e in (0, 3.3, 10, 99)} == {0.02}


@pytest.mark.parametrize(("name", "kind"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)])
def test_optimisers_take_the_recipes_values(name: str, kind: type[torch.optim.Optimizer]) -> None:
    recipe = replace(Recipe(lr=0.05, weight_decay=0.3, momentum=0.7), optimiser=name)
    built = recipe.build(iter(nn.Linear(2, 2).parameters()))
    assert type(built) is kind
    group = built.param_groups[0]
    assert (group["lr"], group["weight_decay"], len(group["params"])) == (0.05, 0.3, 2)
    assert group.get("momentum", 0.7) == 0.7
    assert group.get("betas", (0.9, 0.999)) == (0.9, 0.999)


def test_weight_decay_is_in_the_gradient_for_adam_and_beside_it_for_adamw() -> None:
    ends = {}
    for name in ("adam", "adamw"):
        weight = nn.Parameter(torch.ones(1))
        optimiser = replace(Recipe(lr=0.1, weight_decay=0.5), optimiser=name).build([weight])
        weight.grad = torch.zeros(1)
        optimiser.step()
        ends[name] = float(weight.detach())
    assert ends == pytest.approx({"adam": 0.9, "adamw": 0.95}, abs=1e-5)


@pytest.mark.parametrize("wrong", [{"lr": 0}, {"lr": -1e-3}, {"batch": 0}])
def test_impossible_recipes_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="lr must be above 0 and batch at least 1"):
        Recipe(**wrong)
