"""The rows of an epoch: functions for `Stream.rows`. All return int64 rows on the CPU."""

import torch
from torch import Tensor


def balanced(class_N: Tensor, generator: torch.Generator) -> Tensor:
    """(N,) rows drawn with replacement, every class that occurs equally often on average."""
    class_N = class_N.cpu()
    count_K = torch.bincount(class_N).clamp(min=1)
    weight_N = 1.0 / count_K[class_N].double()
    return torch.multinomial(weight_N, len(class_N), replacement=True, generator=generator)


def repeated(copies_N: Tensor, generator: torch.Generator) -> Tensor:
    """Every row so many times, in random order."""
    rows = torch.repeat_interleave(torch.arange(len(copies_N)), copies_N.cpu())
    return rows[torch.randperm(len(rows), generator=generator)]
