"""Networks that are a chain of layers, whose hidden units can be put in any order without changing what they compute.

Axes: M member, P weight, L layer, U unit of a layer, V unit of the layer before (or input channel), R weights between two.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from biasray import networks
from biasray.networks import Shape, layout
from biasray.networks.layout import Entry, Layout
from biasray.random import generator


class Layer(NamedTuple):
    weight: Entry  # (U, V or a multiple, *kernel)
    vectors: tuple[Entry, ...]  # a value a unit: bias, norm
    units: int
    before: int  # units of the layer before, or input channels

    @property
    def is_dense(self) -> bool:
        return len(self.weight.shape) == 2

    def between(self, tensors: dict[str, Tensor]) -> Tensor:
        """(M, U, V, R): the kernel; of a unit that was flattened, its pixels."""
        return tensors[self.weight.name].reshape(-1, self.units, self.before, self.weights_between)

    @property
    def weights_between(self) -> int:
        return (self.weight.stop - self.weight.start) // (self.units * self.before)


Chain = tuple[Layer, ...]


def hidden(layers: Chain) -> Chain:
    """The layers whose units can change places: all but the outputs, and of convolutions alone all."""
    return layers[:-1] if layers[-1].is_dense else layers


def chain(at: Layout) -> Chain:
    """The layers in order. Raises ValueError where a layer does not read what the one before it makes."""
    found: list[Layer] = []
    for entry in at.entries:
        if len(entry.shape) > 1:
            units, inputs = entry.shape[:2]
            before = found[-1].units if found else inputs
            if inputs % before:
                raise ValueError(f"'{entry.name}' reads {inputs} units, the layer before it has {before}: no chain of layers.")
            found.append(Layer(entry, (), units, before))
            continue
        mine = _owner(found, entry)
        if mine is None:
            raise ValueError(f"'{entry.name}' belongs to no layer with {entry.shape} units: no chain of layers.")
        found[mine] = found[mine]._replace(vectors=(*found[mine].vectors, entry))
    return tuple(found)


def _owner(found: Sequence[Layer], entry: Entry) -> int | None:
    """The layer that a vector belongs to: of parameters the last, of a buffer the one with a parameter of its module."""
    module = entry.name.rpartition(".")[0]
    mine = [k for k, layer in enumerate(found) if any(v.name.rpartition(".")[0] == module for v in layer.vectors)]
    at = len(found) - 1 if entry.trained or not mine else mine[0]
    return at if at >= 0 and entry.shape == (found[at].units,) else None


def reordered(weight_MP: Tensor, at: Layout, order_MU: Sequence[Tensor]) -> Tensor:
    """The same networks with the units of each hidden layer in this order: place u gets the unit order[m, u]."""
    layers, tensors = chain(at), at.take(weight_MP)
    m = torch.arange(len(weight_MP))[:, None]
    channels, outputs = (torch.arange(n).expand(len(m), n) for n in (layers[0].before, layers[-1].units))
    orders = [channels, *order_MU, *[outputs] * (len(layers) - len(order_MU))]
    for layer, before_MV, own_MU in zip(layers, orders[:-1], orders[1:], strict=True):
        moved = layer.between(tensors)[m[..., None], own_MU[:, :, None], before_MV[:, None, :]]
        tensors[layer.weight.name] = moved
        for vector in layer.vectors:
            tensors[vector.name] = tensors[vector.name][m, own_MU]
    return torch.cat([tensors[entry.name].flatten(1) for entry in at.entries], 1)


def check(name: str, shape: Shape, outputs: int) -> None:
    """Raises ValueError for a network that computes something else when its hidden units change places."""
    network = networks.build(name, shape, outputs).eval()
    at = layout.of(network)
    weight_1P = at.row(network.state_dict())[None]
    weight_1P = weight_1P + torch.randn(weight_1P.shape, generator=generator("check")).abs() / 100  # norms start alike
    image_BCHW = torch.rand(8, *shape, generator=generator("check images"))
    said = []
    with torch.inference_mode():
        for row_1P in (weight_1P, shuffled(weight_1P, at, 0)):
            network.load_state_dict(at.state_dict(row_1P[0]), strict=False)  # a count of batches is no weight
            said.append(network(image_BCHW))
    if (said[0] - said[1]).abs().max() > 1e-4 * said[0].abs().max():
        raise ValueError(f"The hidden units of {name} cannot change places: its norm ties some together.")


def shuffled(weight_MP: Tensor, at: Layout, seed: int) -> Tensor:
    """The same networks with their hidden units in an order drawn anew for each."""
    drawn = generator(seed, "units")
    sizes = [layer.units for layer in hidden(chain(at))]
    return reordered(weight_MP, at, [torch.rand(len(weight_MP), n, generator=drawn).argsort(1) for n in sizes])


def convolutions(at: Layout) -> tuple[Layout, list[int]]:
    """The layout of the convolutions alone, and the columns of their weights in a row of the whole."""
    kept = [entry for layer in chain(at) if not layer.is_dense for entry in (layer.weight, *layer.vectors)]
    if not kept:
        raise ValueError("There is no convolution whose weights could be read alone; leave out --layers conv.")
    kept.sort(key=lambda entry: entry.start)
    entries, start = list[Entry](), 0
    for entry in kept:
        entries.append(entry._replace(start=start, stop=start + entry.stop - entry.start))
        start = entries[-1].stop
    return Layout(tuple(entries)), [column for entry in kept for column in range(entry.start, entry.stop)]
