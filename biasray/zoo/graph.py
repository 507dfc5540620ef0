"""A training step as a CUDA graph: its thousands of small kernels are launched at once."""

from collections.abc import Callable
from typing import NamedTuple, final

import torch
from torch import Tensor

AS_IT_IS = 2  # calls of each shape before it is captured, in which libraries choose and load their kernels

Step = Callable[..., Tensor]  # of tensors


class _Graph(NamedTuple):
    graph: torch.cuda.CUDAGraph
    given: tuple[Tensor, ...]
    found: Tensor


@final
class Graphed:
    """The same step on a GPU, replayed.

    The step may change tensors in place, must not wait for the GPU, and gets all that changes between calls as arguments on
    the device. Each shape of arguments is a graph of its own; `torch.cuda.graph` says what else cannot be captured.
    """

    def __init__(self, step: Step, device: torch.device) -> None:
        self.step, self.device, self.stream = step, device, torch.cuda.Stream(device)
        self.calls: dict[tuple[torch.Size, ...], int] = {}
        self.graphs: dict[tuple[torch.Size, ...], _Graph] = {}
        self.pool = torch.cuda.graph_pool_handle()

    def __call__(self, *given: Tensor) -> Tensor:
        with torch.cuda.device(self.device):
            return self._call(given)

    def _call(self, given: tuple[Tensor, ...]) -> Tensor:
        shape = tuple(tensor.shape for tensor in given)
        self.calls[shape] = self.calls.get(shape, 0) + 1
        if self.calls[shape] <= AS_IT_IS:
            self.stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self.stream):
                found = self.step(*given)
            torch.cuda.current_stream().wait_stream(self.stream)
            return found
        if shape not in self.graphs:
            self.graphs[shape] = self._capture(given)
        made = self.graphs[shape]
        for own, tensor in zip(made.given, given, strict=True):
            own.copy_(tensor)
        made.graph.replay()
        return made.found.clone()

    def _capture(self, given: tuple[Tensor, ...]) -> _Graph:
        """Nothing is computed yet. Graphs never run side by side, so they share their memory."""
        own, graph = tuple(tensor.clone() for tensor in given), torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self.pool, stream=self.stream):
            found = self.step(*own)
        return _Graph(graph, own, found)
