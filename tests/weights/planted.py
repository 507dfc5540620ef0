"""Weights with a planted level of bias: no network was trained."""

import torch
from torch import Tensor, nn

from biasray.networks import build, layout
from biasray.networks.layout import Layout
from biasray.random import generator

torch.set_num_threads(1)  # small products: a second thread costs more than it does, where tests run side by side
SHAPE, LEVELS = (3, 28, 28), 4


def tiny() -> nn.Module:
    """Two convolutions and two dense layers, the first of which reads 4 pixels a unit."""
    return nn.Sequential(nn.Conv2d(3, 6, 5), nn.Conv2d(6, 8, 3), nn.Flatten(), nn.Linear(32, 12), nn.Linear(12, 5))


def rows(
    models: int, network: str | None = None, shared: bool = False, shape: tuple[int, int, int] = SHAPE
) -> tuple[Tensor, Tensor, Layout]:
    """(M, P) weights, (M,) levels and their layout, of the tiny network unless another is named.

    The higher the level, the larger all weights, as training has it; weights are drawn for each model, or are those of one
    `shared` network with a little noise.
    """
    drawn = generator("planted", models)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = build(network, shape, 10) if network else tiny()
    at = layout.of(made)
    row_P = at.row(made.state_dict())
    scale_P = torch.cat([made.state_dict()[e.name].abs().mean().expand(e.stop - e.start) for e in at.entries])
    level_M = torch.arange(models) % LEVELS
    noise_MP = torch.randn(models, at.size, generator=drawn) * scale_P
    weight_MP = row_P + 0.05 * noise_MP if shared else noise_MP
    return weight_MP * (1 + 0.5 * level_M[:, None]), level_M, at
