"""Ways to repair networks whose weights a detector reads as biased (Sialelli et al., III-C).

Each way goes from the weights of many models, step by step and all at the same time, to others. g is the gradient, by a
model's weights, of the detector's cross-entropy with the least biased level; d that of the model's own cross-entropy on
digits in colours of any kind; |.| the largest absolute value in a model.

    reset-layer      the layer where most of the bias was found is drawn anew: U(-1, 1) / sqrt(fan in), as torch begins
    reset-units      the same for those of its units that the detector's gradient is largest at; control: for any of them
    dropout          the weights stay, the networks' own dropout goes on when they predict
    fgsm             w - s sign(g); control: g with its values in other places
    gradient         w - s g / |g|; the same control
    gradient-digits  w - s (g / |g| + d / |d|), what the paper wishes for; the same control, with d as it is
    fine-tune        Adam with learning rate s on d, of that layer alone

s is the size of a step. Departures: the paper takes one step with s = 0.02, here the ways called published; else sizes and
numbers of steps are searched. It adds dropout behind the layer that was found. That layer is the one whose exchange among
models costs the detector most of its accuracy, not the one with the largest gradient.
Axes: M model, P weight.
"""

import itertools
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
    sizes: tuple[float, ...] = (1.0,)
    stops: tuple[int, ...] = (1,)
    """Numbers of steps after which it may end."""
    drops: bool = False
    """Whether dropout goes on when the networks predict."""
    learns: bool = False
    """Whether it learns from digits."""
    control: Steps | None = None
    """The same without what the detector knows."""
    size: str = "size"
    """What a reader calls its size."""


def reset_layer(case: Case, weight_MP: Tensor, size: float) -> Iterator[Tensor]:
    yield _redrawn(case, weight_MP, torch.ones(len(weight_MP), case.layer.units, dtype=torch.bool))


def reset_units(case: Case, weight_MP: Tensor, size: float) -> Iterator[Tensor]:
    yield _redrawn(case, weight_MP, _largest(by_unit(case.bias(weight_MP), case.layer), size))


def reset_any_units(case: Case, weight_MP: Tensor, size: float) -> Iterator[Tensor]:
    drawn = generator(case.seed, "any units")
    yield _redrawn(case, weight_MP, _largest(torch.rand(len(weight_MP), case.layer.units, generator=drawn), size))


def _largest(value_MU: Tensor, share: float) -> Tensor:
    """(M, U) whether a unit is among this share of each model's, those of the largest values."""
    found = value_MU.topk(max(1, round(share * value_MU.shape[1])), 1).indices
    return torch.zeros_like(value_MU, dtype=torch.bool).scatter(1, found, True)


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


Direction = Callable[[Case, Tensor, int], Tensor]  # (M, P), at these weights, of this step


def descent(direction: Direction) -> Steps:
    """Steps against a direction, which is asked for anew at each."""

    def steps(case: Case, weight_MP: Tensor, size: float) -> Iterator[Tensor]:
        for step in itertools.count():
            weight_MP = weight_MP - size * direction(case, weight_MP, step)
            yield weight_MP

    return steps


def signs(case: Case, weight_MP: Tensor, step: int) -> Tensor:
    return case.bias(weight_MP).sign()


def gradient(case: Case, weight_MP: Tensor, step: int) -> Tensor:
    return _scaled(case.bias(weight_MP))


def with_digits(case: Case, weight_MP: Tensor, step: int) -> Tensor:
    return _scaled(case.bias(weight_MP)) + _scaled(case.digits(weight_MP, step))


def mixed(direction: Direction) -> Steps:
    """The same steps where g is mixed up: the values in each tensor of a model change places, the same way at every step."""

    def steps(case: Case, weight_MP: Tensor, size: float) -> Iterator[Tensor]:
        drawn = generator(case.seed, "mixed up")
        order_MP = torch.cat(
            [e.start + torch.rand(len(weight_MP), e.stop - e.start, generator=drawn).argsort(1) for e in case.layout.entries], 1
        )
        yield from descent(direction)(case._replace(bias=lambda w_MP: case.bias(w_MP).gather(1, order_MP)), weight_MP, size)

    return steps


def fine_tune(case: Case, weight_MP: Tensor, size: float) -> Iterator[Tensor]:
    entries = (case.layer.weight, *case.layer.vectors)
    column_R = torch.cat([torch.arange(entry.start, entry.stop) for entry in entries])
    out_MP, tuned_MR = weight_MP.clone(), weight_MP[:, column_R]
    adam = torch.optim.Adam([tuned_MR], size)
    for step in itertools.count():
        tuned_MR.grad = case.digits(out_MP, step)[:, column_R]
        adam.step()
        out_MP = out_MP.index_copy(1, column_R, tuned_MR)
        yield out_MP


def _scaled(grad_MP: Tensor) -> Tensor:
    """Divided by its largest absolute value in each model."""
    return grad_MP / grad_MP.abs().amax(1, keepdim=True).clamp(min=torch.finfo(grad_MP.dtype).tiny)


SIZES = (0.002, 0.005, 0.02, 0.05)
STOPS = (1, 2, 5, 10, 20)
PUBLISHED = 0.02
WAYS: Mapping[str, Way] = {
    "reset-layer": Way(reset_layer),
    "reset-units": Way(reset_units, (0.1, 0.3), control=reset_any_units, size="share of the units"),
    "dropout": Way(dropout, drops=True),
    "fgsm": Way(descent(signs), SIZES, STOPS, control=mixed(signs)),
    "fgsm-published": Way(descent(signs), (PUBLISHED,), control=mixed(signs)),
    "gradient": Way(descent(gradient), SIZES, STOPS, control=mixed(gradient)),
    "gradient-published": Way(descent(gradient), (PUBLISHED,), control=mixed(gradient)),
    "gradient-digits": Way(descent(with_digits), SIZES, STOPS, control=mixed(with_digits), learns=True),
    "fine-tune": Way(fine_tune, (0.001, 0.003, 0.01), (10, 30, 60), learns=True, size="learning rate"),
}


def names(given: tuple[str, ...]) -> tuple[str, ...]:
    """Names of ways in their order, 'all' spelt out; raises ValueError for one that there is not."""
    for name in given:
        if name not in (*WAYS, "all"):
            raise ValueError(f"Unknown way of repair '{name}'; choose from {', '.join(WAYS)}, or all.")
    return tuple(way for way in WAYS if way in given or "all" in given)
