"""All that a method knows of the other workers. Axes: B example of this worker's part of a global batch, N row."""

from abc import ABC, abstractmethod
from typing import Any, final

import torch
import torch.distributed as dist
from torch import Tensor


class World(ABC):
    """Sums, means and writes that come out the same on every worker, on any number of workers.

    A global batch is split into contiguous parts that can differ in length by one, so a plain
    `.mean()` over a part is wrong: use `mean`. Gradients are averaged over workers by the loop,
    which is right because `sum` also sums in its backward pass.
    """

    rank: int
    size: int

    @abstractmethod
    def sum(self, x: Tensor) -> Tensor:
        """All-reduce of x, differentiable; x has the same shape on every worker."""

    @abstractmethod
    def gather(self, x_B: Tensor) -> Tensor:
        """The parts of all workers in the order of the global batch, detached."""

    def mean(self, x_B: Tensor, weight_B: Tensor | None = None) -> Tensor:
        """(Weighted) mean over the global batch; 0 where the weights are all 0."""
        weight_B = torch.ones_like(x_B) if weight_B is None else weight_B.to(x_B.dtype)
        total, weight = self.sum(torch.stack([(x_B * weight_B).sum(), weight_B.sum()]))
        return total / torch.where(weight > 0, weight, torch.ones_like(weight))

    def put(self, buffer_N: Tensor, index_B: Tensor, value_B: Tensor) -> None:
        """Write the values of all workers into a buffer; of repeated rows the last in the global batch wins."""
        index, value = self.gather(index_B), self.gather(value_B).to(buffer_N.dtype)
        place = torch.arange(len(index), device=index.device)
        last = torch.full((len(buffer_N),), -1, device=index.device).scatter_reduce_(0, index, place, "amax")
        buffer_N[index] = value[last[index]]


@final
class Alone(World):
    rank, size = 0, 1

    def sum(self, x: Tensor) -> Tensor:
        return x

    def gather(self, x_B: Tensor) -> Tensor:
        return x_B.detach()

    def mean(self, x_B: Tensor, weight_B: Tensor | None = None) -> Tensor:
        return x_B.mean() if weight_B is None else super().mean(x_B, weight_B)


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        x = x.clone()
        dist.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (g,) = grads
        g = g.clone()
        dist.all_reduce(g)
        return g


@final
class Distributed(World):
    """The workers of torch's default process group (gloo or NCCL), which the caller has set up."""

    def __init__(self) -> None:
        self.rank, self.size = dist.get_rank(), dist.get_world_size()

    def sum(self, x: Tensor) -> Tensor:
        return _Sum.apply(x)

    def gather(self, x_B: Tensor) -> Tensor:
        x_B = x_B.detach().contiguous()
        lengths = [torch.zeros(1, dtype=torch.long, device=x_B.device) for _ in range(self.size)]
        dist.all_gather(lengths, torch.tensor([len(x_B)], device=x_B.device))
        longest = int(torch.cat(lengths).max())
        wire = torch.uint8 if x_B.dtype == torch.bool else x_B.dtype  # gloo knows no bool
        padded = torch.cat([x_B, x_B.new_zeros(longest - len(x_B), *x_B.shape[1:])]).to(wire)
        parts = [torch.empty_like(padded) for _ in lengths]
        dist.all_gather(parts, padded)
        return torch.cat([part[: int(n)] for part, n in zip(parts, lengths, strict=True)]).to(x_B.dtype)


def part(x: Tensor, world: World) -> Tensor:
    """This worker's contiguous part of a global batch."""
    return x if world.size == 1 else x.tensor_split(world.size)[world.rank]
