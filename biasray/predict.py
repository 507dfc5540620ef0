"""A predictor over a whole table, every row once. Axes: B example of a batch, N row, K class."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from biasray.contract import Predict, Table
from biasray.source import every
from biasray.world import World

Precision = Literal["float32", "bf16", "float64"]


class Predicted(NamedTuple):
    """In the order of the table, on the CPU, the same on every worker."""

    logits_NK: Tensor
    target_N: Tensor
    bias_N: Tensor  # zeros where the table has no bias labels


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


@torch.no_grad()
def predict(
    predictor: Predict, table: Table, batch: int, world: World, device: torch.device, precision: Precision
) -> Predicted:
    parts = []
    for rows_B in every(table, batch, world, device):
        seen = table.fetch(rows_B, rows_B)
        bias_B = torch.zeros_like(seen.target) if seen.bias is None else seen.bias
        with autocast(device, precision):
            logits_BK = predictor(seen.image)
        dtype = torch.float64 if precision == "float64" else torch.float32
        parts.append([world.gather(x).cpu() for x in (logits_BK.to(dtype), seen.target, bias_B)])
    logits, target, bias = (torch.cat(column) for column in zip(*parts, strict=True))
    assert len(logits) == len(table), "a row was lost"
    return Predicted(logits, target, bias)
