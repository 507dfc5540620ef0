"""torchvision's networks; what holds for every network is in test_networks.py."""

from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from biasray import networks
from biasray.networks.published import PUBLISHED, imagenet

each = pytest.mark.parametrize("name", list(PUBLISHED))
torch.set_num_threads(1)  # images are small: threads would wait for each other


def image(n: int, side: int) -> Tensor:
    return torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Tensor]]:
    """Drawn weights of a ResNet-18 in torch's cache, in place of the published ones."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    drawn = models.resnet18().state_dict()
    file = models.ResNet18_Weights.IMAGENET1K_V1.url.rpartition("/")[2]
    (tmp_path / "hub/checkpoints").mkdir(parents=True)
    torch.save(drawn, tmp_path / "hub/checkpoints" / file)
    imagenet.cache_clear()
    yield drawn
    imagenet.cache_clear()


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def refuse(*_: object, **__: object) -> None:
        raise URLError("no route")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "empty"))
    monkeypatch.setattr("torch.hub.download_url_to_file", refuse)
    imagenet.cache_clear()
    yield
    imagenet.cache_clear()


@each
def test_faces_of_64_pixels_fit(name: str) -> None:
    with torch.no_grad():
        assert networks.build(name, (3, 64, 64), 2).eval()(image(1, 64)).shape == (1, 2)


@each
def test_any_number_of_channels_fits(name: str) -> None:
    with torch.no_grad():
        assert networks.build(name, (4, 64, 64), 2).eval()(torch.rand(1, 4, 64, 64)).shape == (1, 2)


def test_imagenet_weights_are_for_colours(weights: dict[str, Tensor]) -> None:
    with pytest.raises(ValueError, match="weights of resnet18 need images of 3 channels, not 1; give --network resnet18"):
        networks.build("resnet18:imagenet", (1, 64, 64), 2)


def test_imagenet_weights_are_loaded_and_the_head_is_new(weights: dict[str, Tensor]) -> None:
    network = networks.build("resnet18:imagenet", (3, 32, 32), 5)
    body = network.get_submodule("body").state_dict()
    assert set(weights) - set(body) == {"fc.weight", "fc.bias"}
    assert all(torch.equal(body[name], weights[name]) for name in body)
    assert network.head.out_features == 5


def test_pretrained_networks_normalise_images_as_torchvision_does(weights: dict[str, Tensor]) -> None:
    network = networks.build("resnet18:imagenet", (3, 32, 32), 5).eval()
    theirs = models.resnet18()
    theirs.load_state_dict(weights)
    theirs.fc = nn.Identity()
    scaled = models.ResNet18_Weights.IMAGENET1K_V1.transforms(crop_size=32, resize_size=32)(image(2, 32))
    torch.testing.assert_close(network.features(image(2, 32)), theirs.eval()(scaled))


def test_a_pretrained_network_is_saved_with_its_own_weights_alone(weights: dict[str, Tensor]) -> None:
    scratch, pretrained = (networks.build(name, (3, 32, 32), 2) for name in ("resnet18", "resnet18:imagenet"))
    assert list(pretrained.state_dict()) == list(scratch.state_dict())


@each
def test_all_expect_the_same_normalisation(name: str) -> None:
    preset = models.get_model_weights(PUBLISHED[name].builder)["IMAGENET1K_V1"].transforms()
    assert (preset.mean, preset.std) == ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


def test_weights_that_cannot_be_downloaded_are_said_to_be_so(offline: None) -> None:
    says = r"^The ImageNet weights of resnet50 cannot be had \(.*no route.*\): connect to the Internet, or put .* or give"
    for ask in (lambda: networks.check("resnet50:imagenet"), lambda: networks.build("resnet50:imagenet", (3, 64, 64), 2)):
        with pytest.raises(ValueError, match=says) as raised:
            ask()
        assert "\n" not in str(raised.value)


def test_damaged_weights_are_said_to_be_so(weights: dict[str, Tensor], tmp_path: Path) -> None:
    file = next((tmp_path / "hub/checkpoints").iterdir())
    file.write_bytes(b"<html>")
    with pytest.raises(ValueError, match="The ImageNet weights of resnet18 cannot be had"):
        networks.check("resnet18:imagenet")


@pytest.mark.parametrize("name", ["cnn:imagenet", "resnet18:faces", "resnet18:"])
def test_weights_that_do_not_exist_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"There are no weights '{name}'; there is NAME:imagenet for resnet18, "):
        networks.build(name, (3, 64, 64), 2)
