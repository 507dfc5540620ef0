"""A member comes out the same alone, in company, in every packing, and from plain torch."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from biasray import networks
from biasray.networks import layout
from biasray.networks.published import PUBLISHED
from biasray.random import key, uniform
from biasray.zoo.digits import Coloured
from biasray.zoo.member import Member
from biasray.zoo.packing import Packed
from biasray.zoo.stacked import stack
from biasray.zoo.train import Trained, initial, order, train
from tests.zoo.members import DIGITS, member

CPU = torch.device("cpu")
NETWORKS = [
    "mlp",
    "mlp-dim",
    "digit-cnn",
    "digit-cnn-wide",
    "cnn",
    "cnn-bn",
]  # plain twice, dropout twice, group norm, batch norm
torch.set_num_threads(1)


def trained(members: list[Member], packed: Packed | None = None) -> Trained:
    return train(members, DIGITS, packed or ("single" if len(members) == 1 else "grouped"), CPU)


class KeyedDropout(nn.Module):
    """Of one member, with its masks."""

    def __init__(self, p: float, number: int) -> None:
        super().__init__()
        self.p, self.number, self.key = p, number, 0

    def forward(self, x_BF: Tensor) -> Tensor:
        if not self.training:
            return x_BF
        kept = uniform(torch.tensor([self.key]), x_BF.numel(), self.number).view(x_BF.shape) >= self.p
        return x_BF * kept / (1 - self.p)


def by_plain_torch(one: Member) -> Tensor:
    """The weights of a member trained by an ordinary loop over an ordinary network."""
    assert isinstance(one.lesson, Coloured)
    network = networks.build(one.network, one.shape, 10).double()
    at = layout.of(network)
    network.load_state_dict(at.state_dict(initial(one).double()), strict=False)
    leaves = [name for name, module in network.named_modules() if not list(module.children())]
    for number, name in enumerate(leaves):
        found = network.get_submodule(name)
        if isinstance(found, nn.Dropout):
            parent, _, last = name.rpartition(".")
            setattr(network.get_submodule(parent), last, KeyedDropout(found.p, number))
    feed = Coloured.feed([one.lesson], [one.seed], DIGITS, CPU, torch.float64)
    optimiser = torch.optim.Adam(network.parameters(), one.recipe.lr, weight_decay=one.recipe.weight_decay)
    steps = one.epochs * -(-one.lesson.images // one.recipe.batch)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    step = 0
    for epoch in range(one.epochs):
        for rows_B in order([one], epoch)[0].split(one.recipe.batch):
            for module in network.modules():
                if isinstance(module, KeyedDropout):
                    module.key = key(one.seed, one.id, step)
            image_BCHW = feed.batch(rows_B[None])[0].permute(0, 3, 1, 2)
            target_B = feed.target_MN[0][rows_B]  # type: ignore[attr-defined]
            optimiser.zero_grad()
            F.cross_entropy(network(image_BCHW), target_B).backward()
            optimiser.step()
            if one.recipe.schedule == "cosine":
                falling.step()
            step += 1
    return at.row(network.state_dict()).detach()


@pytest.mark.parametrize("packed", ["grouped", "batched", "looped"])
@pytest.mark.parametrize("network", NETWORKS)
def test_members_trained_together_are_what_plain_torch_trains_one_by_one(network: str, packed: Packed) -> None:
    members = [member(k, network=network, epochs=1) for k in range(3)]
    together, single = trained(members, packed).weight_MP, trained(members[:1]).weight_MP[0]
    for k, one in enumerate(members):
        torch.testing.assert_close(together[k], by_plain_torch(one), rtol=0, atol=1e-10)
    torch.testing.assert_close(single, together[0], rtol=0, atol=1e-10)


@pytest.mark.parametrize("packed", ["grouped", "batched", "looped"])
@pytest.mark.parametrize(
    ("network", "precision"), [("digit-cnn", "float32"), ("digit-cnn", "bf16"), ("cnn", "bf16"), ("cnn-bn", "float32")]
)
def test_company_changes_no_bit_of_a_member(network: str, precision: str, packed: Packed) -> None:
    members = [member(k, network=network, precision=precision, epochs=1, images=64) for k in range(8)]
    together = trained(members, packed)
    few = trained(members[2:5], packed)
    assert torch.equal(together.weight_MP[2:5], few.weight_MP)
    assert together.figures[2:5] == few.figures
    assert torch.equal(trained(members[6:7], packed).weight_MP[0], together.weight_MP[6])


def test_a_member_that_is_not_finite_harms_no_other() -> None:
    members = [member(0), member(1, lr=1e200), member(2)]
    found = trained(members)
    assert found.finite_M.tolist() == [True, False, True]
    assert torch.equal(found.weight_MP[2], trained(members[2:], "grouped").weight_MP[0])


CHANGES: list[dict[str, object]] = [
    {"variance": 0.035}, {"jitter": 7}, {"half": "second"}, {"brightest": 1.0}, {"init": 9}, {"order": 9}, {"lr": 0.02},
    {"seed": 1}, {"subset": 5}, {"shuffled": 0.5},
]  # fmt: skip


@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_what_is_in_the_id_changes_the_weights(changes: dict[str, object]) -> None:
    usual, other = member(precision="float32", epochs=1), member(precision="float32", epochs=1, **changes)
    assert usual.id != other.id
    assert not torch.equal(trained([usual]).weight_MP, trained([other]).weight_MP)


def test_the_number_of_a_stream_means_the_same_for_every_member() -> None:
    one, other = member(0, init=5, order=5), member(1, init=5, order=5)
    assert torch.equal(initial(one), initial(other))
    assert torch.equal(order([one], 1), order([other], 1))
    assert not torch.equal(order([one], 0), order([one], 1))


def test_a_trained_row_is_a_network_that_predicts_what_its_figures_say() -> None:
    one = member(precision="float32", epochs=3)
    found = trained([one])
    network = networks.build(one.network, one.shape, 10).eval()
    network.load_state_dict(layout.of(network).state_dict(found.weight_MP[0]))
    feed = Coloured.feed([one.lesson], [0], DIGITS, CPU, torch.float32)  # type: ignore[list-item]

    def predict(image_MBHWC: Tensor) -> Tensor:
        with torch.no_grad():
            return network(image_MBHWC[0].permute(0, 3, 1, 2))[None]

    assert feed.figures(predict)[0]["accuracy"] == pytest.approx(found.figures[0]["accuracy"], abs=1e-6)


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_a_network_that_cannot_be_fused_is_the_network_of_its_row(name: str) -> None:
    shape = (3, PUBLISHED[name].least, PUBLISHED[name].least)
    network = networks.build(name, shape, 3).eval()
    at = layout.of(network)
    image_MBHWC = torch.rand(1, 2, *shape[1:], 3, generator=torch.Generator().manual_seed(0))
    row_MP = at.row(network.state_dict())[None].detach()
    buffers = {k: v for k, v in at.take(row_MP).items() if k in dict(network.named_buffers())}
    stacked = stack(name, shape, 3, 1, "single")
    with torch.no_grad():
        torch.testing.assert_close(
            stacked(row_MP[:, : at.trained], buffers, image_MBHWC)[0], network(image_MBHWC[0].permute(0, 3, 1, 2))
        )


def test_a_network_that_cannot_be_fused_trains_alone_and_again_the_same() -> None:
    one = dataclasses.replace(member(network="resnet18", epochs=1, images=32), precision="float32")
    first = trained([one])
    assert first.finite_M.all()
    assert torch.equal(first.weight_MP, trained([one]).weight_MP)
