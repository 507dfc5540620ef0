"""How the weights of a network lie in one row of a matrix. Axes: M member, P weight (parameters, then buffers)."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class Entry(NamedTuple):
    name: str  # as in the network's state dict
    shape: tuple[int, ...]
    start: int
    stop: int
    trained: bool  # a parameter; what is not is a buffer, such as a running mean


class Layout(NamedTuple):
    entries: tuple[Entry, ...]

    @property
    def size(self) -> int:
        return self.entries[-1].stop

    @property
    def trained(self) -> int:
        """Number of parameters: they come first."""
        return max(entry.stop for entry in self.entries if entry.trained)

    def take(self, weight_MP: Tensor) -> dict[str, Tensor]:
        """Each tensor of all members by name, (M, *shape): of whole rows, or of their parameters alone."""
        entries = [entry for entry in self.entries if entry.stop <= weight_MP.shape[1]]
        parts = weight_MP.split([entry.stop - entry.start for entry in entries], dim=1)
        return {e.name: part.reshape(-1, *e.shape) for e, part in zip(entries, parts, strict=True)}

    def state_dict(self, weight_P: Tensor) -> dict[str, Tensor]:
        """One member's row as a state dict; raises ValueError for a row of another length."""
        if weight_P.shape != (self.size,):
            raise ValueError(f"A row of {tuple(weight_P.shape)} is not of this layout, which has {self.size:,} weights.")
        return {name: tensor[0].clone() for name, tensor in self.take(weight_P[None]).items()}

    def row(self, state: Mapping[str, Tensor]) -> Tensor:
        """(P,) of a state dict; raises ValueError where a tensor is missing or has another shape."""
        for entry in self.entries:
            if entry.name not in state:
                raise ValueError(f"The state dict has no '{entry.name}', which the layout has.")
            if tuple(state[entry.name].shape) != entry.shape:
                found = tuple(state[entry.name].shape)
                raise ValueError(f"'{entry.name}' is {found} in the state dict and {entry.shape} in the layout.")
        return torch.cat([state[entry.name].reshape(-1) for entry in self.entries])

    def json(self) -> list[dict[str, Any]]:
        return [entry._asdict() for entry in self.entries]


def of(network: nn.Module) -> Layout:
    """The layout of a network: its parameters in order, then its floating-point buffers."""
    buffers = dict(network.named_buffers())
    trained = [(name, tensor, True) for name, tensor in network.named_parameters()]
    state = network.state_dict()  # without constants that every network of this name has
    kept = [(name, tensor, False) for name, tensor in state.items() if name in buffers and tensor.is_floating_point()]
    entries, at = list[Entry](), 0
    for name, tensor, is_parameter in (*trained, *kept):
        entries.append(Entry(name, tuple(tensor.shape), at, at + tensor.numel(), is_parameter))
        at = entries[-1].stop
    return Layout(tuple(entries))


def read(entries: list[dict[str, Any]]) -> Layout:
    """A layout from its JSON form."""
    return Layout(tuple(Entry(**{**entry, "shape": tuple(entry["shape"])}) for entry in entries))
