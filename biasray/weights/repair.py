"""Ways to repair networks whose weights a detector reads as biased (Sialelli et al., III-C).

Each way goes from the weights of many models, step by step and all at the same time, to others. g is the gradient, by a
model's weights, of the detector's cross-entropy with the least biased level; d that of the model's own cross-entropy on
digits in colours of any kind; |.| the largest absolute value in a model.

    reset-layer      the layer where most of the bias was found is drawn anew: U(-1, 1) / sqrt(fan in), as torch begins
    reset-units      the same for those of its units that the detector's gradient is largest at
    dropout          the weights stay, the networks' own dropout goes on when they predict
    fgsm             w - s sign(g)
    gradient         w - s g / |g|
    gradient-digits  w - s (g / |g| + d / |d|), what the paper wishes for
    digits           w - s d / |d|: the same without the detector, a control
    random           w - s r, r = 1 or -1 at random: a control for steps of this size
    fine-tune        Adam with learning rate s on d, of that layer alone

s is the size of a step. Departures: the paper takes one step with s = 0.02; here sizes and numbers of steps are searched.
Axes: M model, P weight.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from biasray.networks.layout import Layout
from biasray.random import generator
from biasray.weights.chain import Layer
from biasray.weights.localise import by_unit


class Case(NamedTuple):
    """What a way of repair may know."""

    layout: Layout
    layer: Layer
    """Where the detector finds most of the bias."""
    bias: Callable[[Tensor], Tensor]
    """g (M, P) of weights (M, P)."""
    digits: Callable[[Tensor, int], Tensor]
    """d (M, P) of weights (M, P), on the batch of this step."""
    seed: int


Steps = Callable[[Case, Tensor, float], Iterator[Tensor]]  # weights after each step of this size


class Way(NamedTuple):
    steps: Steps
    sizes: tuple[float, ...]
    stops: tuple[int, ...] = (1,)
    """Numbers of steps after which it may end."""
    drops: bool = False
    """Whether dropout goes on when the networks predict."""
    kind: str = ""
    """What a reader must know of it beside its name."""


def reset_layer(case: Case, weight_MP: Tensor, size: float) -> Iterator[Tensor]:
    yield _redrawn(case, weight_MP, torch.ones(len(weight_MP), case.layer.units, dtype=torch.bool))


def reset_units(case: Case, weight_MP: Tensor, size: float) -> Iterator[Tensor]:
    found_MU = by_unit(case.bias(weight_MP), case.layer)
    worst = found_MU.topk(max(1, round(size * case.layer.units)), 1).indices
    yield _redrawn(case, weight_MP, torch.zeros_like(found_MU, dtype=torch.bool).scatter(1, worst, True))


def _redrawn(case: Case, weight_MP: Tensor, which_MU: Tensor) -> Tensor:
    layer, out_MP = case.layer, weight_MP.clone()
    bound = (layer.before * layer.weights_between) ** -0.5
    drawn = generator(case.seed, "reset", layer.weight.name)
    for entry in (layer.weight, *layer.vectors):
        old_MUR = weight_MP[:, entry.start : entry.stop].unflatten(1, (layer.units, -1))
        new_MUR = (2 * torch.rand(old_MUR.shape, generator=drawn) - 1) * bound
        out_MP[:, entry.start : entry.stop] = torch.where(which_MU[..., None], new_MUR, old_MUR).flatten(1)
    return out_MP


def dropout(case: Case, weight_MP: Tensor, size: float) -> Iterator[Tensor]:
    yield weight_MP


def fgsm(case: Case, weight_MP: Tensor, size: float) -> Iterator[Tensor]:
    while True:
        weight_MP = weight_MP - size * case.bias(weight_MP).sign()
        yield weight_MP


def gradient(case: Case, weight_MP: Tensor, size: float) -> Iterator[Tensor]:
    while True:
        weight_MP = weight_MP - size * _scaled(case.bias(weight_MP))
        yield weight_MP


def gradient_digits(case: Case, weight_MP: Tensor, size: float) -> Iterator[Tensor]:
    step = 0
    while True:
        weight_MP = weight_MP - size * (_scaled(case.bias(weight_MP)) + _scaled(case.digits(weight_MP, step)))
        step += 1
        yield weight_MP


def digits(case: Case, weight_MP: Tensor, size: float) -> Iterator[Tensor]:
    step = 0
    while True:
        weight_MP = weight_MP - size * _scaled(case.digits(weight_MP, step))
        step += 1
        yield weight_MP


def at_random(case: Case, weight_MP: Tensor, size: float) -> Iterator[Tensor]:
    drawn = generator(case.seed, "random steps")
    while True:
        weight_MP = weight_MP - size * (2 * torch.randint(0, 2, weight_MP.shape, generator=drawn) - 1)
        yield weight_MP


def fine_tune(case: Case, weight_MP: Tensor, size: float) -> Iterator[Tensor]:
    entries = (case.layer.weight, *case.layer.vectors)
    column_R = torch.cat([torch.arange(entry.start, entry.stop) for entry in entries])
    out_MP, tuned_MR = weight_MP.clone(), weight_MP[:, column_R]
    adam, step = torch.optim.Adam([tuned_MR], size), 0
    while True:
        tuned_MR.grad = case.digits(out_MP, step)[:, column_R]
        adam.step()
        out_MP = out_MP.index_copy(1, column_R, tuned_MR)
        step += 1
        yield out_MP


def _scaled(grad_MP: Tensor) -> Tensor:
    """Divided by its largest absolute value in each model."""
    return grad_MP / grad_MP.abs().amax(1, keepdim=True).clamp(min=torch.finfo(grad_MP.dtype).tiny)


SIZES = (0.0005, 0.002, 0.005, 0.02)
STOPS = (1, 2, 5, 10, 20)
CONTROL, LEARNS = "control", "learns from digits"
WAYS: Mapping[str, Way] = {
    "reset-layer": Way(reset_layer, (1.0,)),
    "reset-units": Way(reset_units, (0.02, 0.1, 0.3)),
    "dropout": Way(dropout, (1.0,), drops=True),
    "fgsm": Way(fgsm, SIZES, STOPS),
    "gradient": Way(gradient, SIZES, STOPS),
    "gradient-digits": Way(gradient_digits, SIZES, STOPS, kind=LEARNS),
    "digits": Way(digits, SIZES, STOPS, kind=f"{CONTROL}, {LEARNS}"),
    "random": Way(at_random, SIZES, STOPS, kind=CONTROL),
    "fine-tune": Way(fine_tune, (0.0003, 0.001, 0.003), (10, 30), kind=LEARNS),
}


def names(given: tuple[str, ...]) -> tuple[str, ...]:
    """Names of ways without repeats, 'all' spelt out; raises ValueError for one that there is not."""
    chosen = [name for entry in given for name in (WAYS if entry == "all" else [entry])]
    for name in chosen:
        if name not in WAYS:
            raise ValueError(f"Unknown way of repair '{name}'; choose from {', '.join(WAYS)}, or all.")
    return tuple(dict.fromkeys(chosen))
