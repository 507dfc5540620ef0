"""Networks for many tiny images, against the networks as they are."""

import pytest
import torch

from biasray.networks import NETWORKS, build
from biasray.networks.network import Network
from biasray.networks.quick import quick

SHAPES = {"digit-cnn": (3, 28, 28), "digit-cnn-wide": (3, 28, 28), "gender-cnn": (3, 96, 96)}
SLOW = ("resnet34", "resnet50", "efficientnet-b1", "convnext-t", "swin-t")  # resnet18 stands for what is like them


def network(name: str) -> tuple[Network, torch.Tensor]:
    torch.manual_seed(0)
    shape = SHAPES.get(name, (4, 16, 16))
    made = build(name, shape, 3)
    image_BCHW = torch.rand(6, *shape)
    with torch.no_grad():
        made(image_BCHW)  # batch norm has met some images
    return made.eval(), image_BCHW


@pytest.mark.parametrize("name", [name for name in NETWORKS if name not in SLOW])
def test_a_quick_network_is_the_same_function(name: str) -> None:
    made, image_BCHW = network(name)
    before = {key: value.clone() for key, value in made.state_dict().items()}
    same = quick(made, tuple(image_BCHW.shape[1:]), half=False)
    with torch.no_grad():
        torch.testing.assert_close(same(image_BCHW), made(image_BCHW), rtol=1e-4, atol=1e-5)
        half = quick(made, tuple(image_BCHW.shape[1:]), half=True)
        with torch.autocast("cpu", torch.bfloat16):
            torch.testing.assert_close(half(image_BCHW).float(), made(image_BCHW).float(), rtol=0.05, atol=0.05)
    for key, value in made.state_dict().items():
        torch.testing.assert_close(value, before[key], rtol=0, atol=0)


def test_convolutions_of_one_pixel_alone_are_their_middle() -> None:
    made, _ = network("resnet18")
    size = {side: sum(p.numel() for p in quick(made, (4, side, side), half=False).parameters()) for side in (16, 64)}
    assert size[16] < size[64] / 2
    assert size[64] == sum(p.numel() for p in made.parameters())
