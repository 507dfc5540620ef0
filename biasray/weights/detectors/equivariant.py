"""A network of networks that is told of units and the weights between them, and never of their order.

After Navon et al. 2023 (Equivariant Architectures for Learning in Deep Weight Spaces) and Zhou et al. 2023 (Permutation
Equivariant Neural Functionals), ours in detail. Every weight and every unit has D features. A block gives a weight

    e_uv <- GELU(A e_uv + B mean_u e_uv + C mean_v e_uv + D n_u + E n_v),    and a unit
    n_u  <- GELU(F n_u + G mean_v e_uv + H mean_w e_wu),    w units of the layer after,

with matrices of its own for each layer; what is kept of a layer is the mean and the standard deviation of both. Input channels
and outputs have an order that means something: each of them starts with features of its own.
"""

from itertools import pairwise
from typing import final

import torch
from torch import Tensor, nn

from biasray.networks.layout import Layout
from biasray.weights.chain import Chain, chain
from biasray.weights.neural import Neural

WIDTH, BLOCKS = 16, 2


@final
class Block(nn.Module):
    def __init__(self, layers: int) -> None:
        super().__init__()
        self.weight = nn.ModuleList(nn.Linear(5 * WIDTH, WIDTH) for _ in range(layers))
        self.unit = nn.ModuleList(nn.Linear(3 * WIDTH, WIDTH) for _ in range(layers + 1))

    def forward(self, weights: list[Tensor], units: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Of each layer (M, U, V, D), and of inputs and each layer's units (M, U, D)."""
        row, column = [e.mean(2) for e in weights], [e.mean(1) for e in weights]  # (M, U, D), (M, V, D)
        out_weights = []
        for k, (linear, (before_MVD, own_MUD)) in enumerate(zip(self.weight, pairwise(units), strict=True)):
            assert isinstance(linear, nn.Linear)
            by_weight, by_own, by_column, by_row, by_before = torch.split(linear.weight, WIDTH, 1)
            # One product for each part, and sums that broadcast: the parts side by side would take five times the memory.
            rows_MUD = own_MUD @ by_own.T + row[k] @ by_row.T
            columns_MVD = before_MVD @ by_before.T + column[k] @ by_column.T + linear.bias
            out_weights.append(nn.functional.gelu(weights[k] @ by_weight.T + rows_MUD[:, :, None] + columns_MVD[:, None]))
        into, out_of = [torch.zeros_like(units[0]), *row], [*column, torch.zeros_like(units[-1])]
        out_units = [
            nn.functional.gelu(linear(torch.cat(parts, 2)))
            for linear, parts in zip(self.unit, zip(units, into, out_of, strict=True), strict=True)
        ]
        return out_weights, out_units


@final
class Functional(nn.Module):
    """(M, P) to (M, K)."""

    def __init__(self, layout: Layout, layers: Chain, levels: int) -> None:
        super().__init__()
        self.layout, self.layers = layout, layers
        self.weights = nn.ModuleList(nn.Linear(layer.weights_between, WIDTH) for layer in layers)
        self.units = nn.ModuleList(nn.Linear(max(1, len(layer.vectors)), WIDTH) for layer in layers)
        self.channels = nn.Parameter(torch.randn(layers[0].before, WIDTH))
        self.outputs = nn.Parameter(torch.randn(layers[-1].units, WIDTH)) if layers[-1].is_dense else None
        self.blocks = nn.ModuleList(Block(len(layers)) for _ in range(BLOCKS))
        self.head = nn.Sequential(nn.Linear(4 * WIDTH * len(layers), 64), nn.GELU(), nn.Linear(64, levels))

    def forward(self, weight_MP: Tensor) -> Tensor:
        tensors = self.layout.take(weight_MP)
        between = [layer.between(tensors) for layer in self.layers]
        # Weights are small where layers are wide: each layer counts by its size at the start.
        weights = [made(w * w[0, 0].numel() ** 0.5) for made, w in zip(self.weights, between, strict=True)]
        units = [self.channels.expand(len(weight_MP), -1, -1)]
        for made, layer in zip(self.units, self.layers, strict=True):
            vectors = [tensors[entry.name] for entry in layer.vectors] or [weight_MP.new_zeros(len(weight_MP), layer.units)]
            units.append(made(torch.stack(vectors, 2)))
        if self.outputs is not None:  # of convolutions alone the last units are hidden ones
            units[-1] = units[-1] + self.outputs
        for block in self.blocks:
            weights, units = block(weights, units)
        pooled = [
            part
            for e_MUVD, n_MUD in zip(weights, units[1:], strict=True)
            for part in (e_MUVD.mean((1, 2)), e_MUVD.std((1, 2)), n_MUD.mean(1), n_MUD.std(1))
        ]
        logits: Tensor = self.head(torch.cat(pooled, 1))
        return logits


@final
class Equivariant(Neural):
    by_weight = 80  # measured: 62

    def network(self, levels: int) -> nn.Module:
        return Functional(self.layout, chain(self.layout), levels)


def _equivariant(layout: Layout, seed: int) -> Equivariant:
    return Equivariant(layout, seed=seed)


DETECTORS = {"equivariant": _equivariant}
