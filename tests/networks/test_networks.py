"""Every network: features, head, size, and what it refuses."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from biasray import networks
from biasray.networks.norm import WorldBatchNorm2d
from biasray.networks.published import PUBLISHED

each = pytest.mark.parametrize("name", list(networks.NETWORKS))
SHAPE = (3, 32, 32)
torch.set_num_threads(1)  # images are small: threads would wait for each other
LEAST = {name: kind.least for name, kind in PUBLISHED.items()}


def image(n: int, *shape: int) -> torch.Tensor:
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(0))


def shape(name: str) -> tuple[int, int, int]:
    return (3, 96, 96) if name == "gender-cnn" else SHAPE


@each
def test_it_gives_a_logit_for_each_output(name: str) -> None:
    assert networks.build(name, shape(name), 7)(image(4, *shape(name))).shape == (4, 7)


@each
def test_forward_is_the_head_on_the_features(name: str) -> None:
    network = networks.build(name, shape(name), 5).eval()
    feature_BD = network.features(image(4, *shape(name)))
    assert feature_BD.shape == (4, network.head.in_features)
    assert torch.equal(network(image(4, *shape(name))), network.head(feature_BD))


@each
def test_an_example_does_not_depend_on_its_batch_when_predicted(name: str) -> None:
    network, x = networks.build(name, shape(name), 5).double().eval(), image(4, *shape(name)).double()
    torch.testing.assert_close(network(x)[:1], network(x[:1]), rtol=1e-10, atol=1e-12)


@each
def test_every_parameter_gets_a_gradient(name: str) -> None:
    network = networks.build(name, shape(name), 5)
    network(image(8, *shape(name))).logsumexp(1).sum().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None] == []


def test_digit_cnn_is_the_network_of_the_paper() -> None:
    network = networks.build("digit-cnn", (3, 28, 28), 10)
    assert sum(p.numel() for p in network.parameters()) == 49_562
    assert next(m.p for m in network.modules() if isinstance(m, nn.Dropout)) == 0.3


def test_gender_cnn_is_the_network_of_genderwdb() -> None:
    network = networks.build("gender-cnn", (3, 120, 120), 2)
    assert [tuple(m.weight.shape) for m in network.modules() if isinstance(m, nn.Conv2d)] == [
        (24, 3, 5, 5),
        (48, 24, 3, 3),
        (48, 48, 3, 3),
        (64, 48, 3, 3),
        (64, 64, 3, 3),
    ]
    assert sum(p.numel() for p in network.parameters()) == 106_242


def test_pooling_before_relu_is_the_same_function_as_after_it() -> None:
    network, x = networks.build("digit-cnn", (3, 28, 28), 10).eval(), image(5, 3, 28, 28)
    conv = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    dense = [m for m in network.modules() if isinstance(m, nn.Linear)]
    assert len(conv) == 3
    out = x
    for layer in conv:
        out = F.max_pool2d(F.relu(layer(out)), 2)
    out = dense[1](F.relu(dense[0](out.flatten(1))))
    assert torch.equal(out, network(x))


def test_small_cnn_has_the_size_that_it_says() -> None:
    parameters = sum(p.numel() for p in networks.build("cnn", SHAPE, 2).parameters())
    assert round(parameters, -3) == 95_000


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("cnn", (3, 15, 64)),
        ("cnn-bn", (1, 15, 15)),
        ("digit-cnn", (3, 23, 28)),
        ("gender-cnn", (3, 95, 96)),
        ("resnet34", (3, 7, 64)),
        ("convnext-t", (3, 31, 31)),
        ("swin-t", (3, 64, 31)),
    ],
)
def test_images_too_small_are_refused_in_one_sentence(name: str, shape: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match=r"needs images of at least \d+ x \d+ pixels, not .*; import larger ones\.$") as error:
        networks.build(name, shape, 2)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("name", "side"), [("cnn", 16), ("cnn-bn", 16), ("digit-cnn", 24), ("gender-cnn", 96), *LEAST.items()])
def test_the_smallest_image_allowed_works(name: str, side: int) -> None:
    assert networks.build(name, (3, side, side), 2)(image(2, 3, side, side)).shape == (2, 2)


def test_an_unknown_network_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="Unknown network 'vgg'; choose from mlp, "):
        networks.build("vgg", SHAPE, 2)


@each
def test_batch_norm_is_over_the_global_batch(name: str) -> None:
    norms = [m for m in networks.build(name, shape(name), 2).modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    assert all(isinstance(m, WorldBatchNorm2d) for m in norms)


def test_world_batch_norm_alone_is_torchs() -> None:
    """On two workers: tests/test_world.py."""
    ours, theirs = WorldBatchNorm2d(3), nn.BatchNorm2d(3)
    for _ in range(3):
        x = torch.randn(5, 3, 4, 4)
        assert torch.equal(ours(x), theirs(x))
    assert all(torch.equal(a, b) for a, b in zip(ours.buffers(), theirs.buffers(), strict=True))


def test_mlp_dim_divides_images_by_255_and_mlp_does_not() -> None:
    image_BCHW = image(4, 3, 6, 6)
    plain, dim = networks.build("mlp", (3, 6, 6), 2), networks.build("mlp-dim", (3, 6, 6), 2)
    linear = [layer for layer in plain.modules() if isinstance(layer, nn.Linear)]
    for mine, other in zip((m for m in dim.modules() if isinstance(m, nn.Linear)), linear, strict=True):
        mine.load_state_dict(other.state_dict())
    x = image_BCHW.flatten(1)
    for layer in linear[:-1]:
        x = layer(x).relu()
    torch.testing.assert_close(plain(image_BCHW), linear[-1](x))
    torch.testing.assert_close(dim(image_BCHW), plain(image_BCHW / 255))
