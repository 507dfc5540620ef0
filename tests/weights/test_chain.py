import pytest
import torch

from biasray.networks import build, layout
from biasray.weights.chain import chain, check, convolutions, reordered, shuffled
from tests.weights.planted import SHAPE, rows


@pytest.mark.parametrize("name", ["digit-cnn", "digit-cnn-wide", "mlp", "cnn-bn"])
def test_a_network_with_its_units_in_another_order_computes_the_same_from_other_weights(name: str) -> None:
    weight_MP, _, at = rows(3, name)
    moved_MP = shuffled(weight_MP, at, 0)
    image_BCHW = torch.rand(5, *SHAPE)
    for before_P, after_P in zip(weight_MP, moved_MP, strict=True):
        said = []
        for row_P in (before_P, after_P):
            network = build(name, SHAPE, 10).eval()
            state = {k: v.abs() + 0.1 if k.endswith("running_var") else v for k, v in at.state_dict(row_P).items()}
            network.load_state_dict(state, strict=False)
            said.append(network(image_BCHW).detach())
        assert (said[0] - said[1]).abs().max() < 1e-4 * said[0].abs().max()
        assert (before_P != after_P).float().mean() > 0.9
    assert not torch.equal(shuffled(weight_MP[:1].repeat(2, 1), at, 0)[0], moved_MP[1])  # an order for each


def test_an_order_undone_is_the_network_that_there_was() -> None:
    weight_MP, _, at = rows(2)
    orders = [torch.stack([torch.randperm(layer.units) for _ in range(2)]) for layer in chain(at)[:-1]]
    there = reordered(weight_MP, at, orders)
    assert torch.equal(reordered(there, at, [order.argsort(1) for order in orders]), weight_MP)


@pytest.mark.parametrize(("name", "says"), [("cnn", "its norm ties some together"), ("resnet18", "no chain of layers")])
def test_networks_whose_units_cannot_change_places_are_refused(name: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        check(name, SHAPE, 10)


def test_convolutions_alone_are_their_columns_and_no_others() -> None:
    weight_MP, _, at = rows(2, "digit-cnn")
    read, columns = convolutions(at)
    assert [entry.name for entry in read.entries] == [f"body.{k}.{part}" for k in (0, 3, 6) for part in ("weight", "bias")]
    assert read.size == len(columns) == 1824 + 10416 + 27712
    assert torch.equal(read.take(weight_MP[:, columns])["body.6.bias"], at.take(weight_MP)["body.6.bias"])
    with pytest.raises(ValueError, match="There is no convolution"):
        convolutions(layout.of(build("mlp", SHAPE, 10)))
