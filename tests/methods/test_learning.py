"""What every method that trains must do with its networks."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from biasray import methods, networks
from biasray.loop import Place, Plan, train
from biasray.recipe import Recipe
from tests.training import SIDE, labels, tables


@pytest.mark.parametrize("name", methods.found())
def test_every_layer_of_every_network_learns(name: str, tmp_path: Path) -> None:
    """A public framework's LfF froze all of its second network but the last layer."""
    born = list[tuple[nn.Module, dict[str, Tensor]]]()

    def make(outputs: int) -> nn.Module:
        network = networks.build("cnn", (3, SIDE, SIDE), outputs)
        born.append((network, {name: p.detach().clone() for name, p in network.named_parameters()}))
        return network

    of = tables()
    settings = {"jtt": {"identify": 1}, "bias-ensemble": {"steps": 100, "sure": 0.2}}.get(name, {})
    method, _ = train(
        lambda: methods.build(name, make, labels(of), settings, 2),
        of,
        Plan(recipe=Recipe(batch=16), seed=0),
        Place(folder=str(tmp_path)),
    )
    mine = [(network, first) for network, first in born if any(network is module for module in method.modules())]
    assert mine
    for network, first in mine:
        moved = {name for name, p in network.named_parameters() if not torch.equal(p, first[name])}
        assert moved == set(first)
