"""A GPU trains the members that a CPU trains. `CUDA_VISIBLE_DEVICES=0 python -m pytest tests/gpu`, which needs no Ray."""

import dataclasses

import pytest
import torch

from biasray import data
from biasray.random import normal, uniform
from biasray.zoo import plan
from biasray.zoo.faces import Mixture
from biasray.zoo.graph import AS_IT_IS
from biasray.zoo.packing import Packed
from biasray.zoo.train import Trained, train
from tests.zoo.members import DIGITS, member

CPU, GPU = torch.device("cpu"), torch.device("cuda")
EPOCHS = AS_IT_IS + 2  # so that the smaller batch at the end of an epoch is captured and replayed too
PACKED = plan.PACKED["cuda"]
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU, or CUDA_VISIBLE_DEVICES hides it")


def together(packed: Packed, **changes: object) -> tuple[Trained, Trained]:
    members = [member(k, epochs=EPOCHS, **changes) for k in range(3)]
    return train(members, DIGITS, packed, GPU), train(members, DIGITS, "grouped", CPU)


@pytest.mark.parametrize("optimiser", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("packed", PACKED)
@pytest.mark.parametrize("network", ["mlp", "digit-cnn", "cnn", "cnn-bn"])
def test_members_are_the_cpus_in_float64(network: str, packed: Packed, optimiser: str) -> None:
    here, there = together(packed, network=network, optimiser=optimiser)
    # AdamW divides gradients that are nothing but rounding by its 1e-8; to the others' some weight decay is added.
    near = {"rtol": 0, "atol": 1e-8 if optimiser == "adamw" else 1e-10}
    torch.testing.assert_close(here.weight_MP, there.weight_MP, **near)
    torch.testing.assert_close(here.loss_ME, there.loss_ME, **near)
    for a, b in zip(here.figures, there.figures, strict=True):
        assert a == pytest.approx(b, abs=1e-9)


def test_a_member_alone_is_the_cpus_in_float64() -> None:
    one = member(1, epochs=EPOCHS)
    here, there = train([one], DIGITS, "single", GPU), train([one], DIGITS, "single", CPU)
    torch.testing.assert_close(here.weight_MP, there.weight_MP, rtol=0, atol=1e-10)


@pytest.mark.parametrize("packed", PACKED)
def test_a_member_that_is_not_finite_harms_no_other(packed: Packed) -> None:
    members = [member(0, epochs=EPOCHS), member(1, lr=1e200, epochs=EPOCHS), member(2, epochs=EPOCHS)]
    found, alone = train(members, DIGITS, packed, GPU), train(members[2:], DIGITS, packed, GPU)
    assert found.finite_M.tolist() == [True, False, True]
    torch.testing.assert_close(found.weight_MP[2], alone.weight_MP[0], rtol=0, atol=1e-10)


@pytest.mark.parametrize("packed", PACKED)
@pytest.mark.parametrize("network", ["digit-cnn", "cnn"])
def test_bf16_members_learn_as_the_cpus_do(network: str, packed: Packed) -> None:
    here, there = together(packed, network=network, precision="bf16", lr=1e-3)
    torch.testing.assert_close(here.loss_ME, there.loss_ME, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("packed", PACKED)
def test_faces_of_any_age_and_gender(packed: Packed) -> None:
    faces = data.load("drawn-faces")
    shares = (("Male", 0.3), ("Female", 0.7))
    lesson = Mixture(attribute="gender", shares=shares, subset=0, shuffled=0.2, targets=("age", "gender"), images=100, side=32)
    one = dataclasses.replace(member(network="cnn", epochs=2), lesson=lesson, shape=(3, 32, 32), data=faces.checksum)
    pair = [one, dataclasses.replace(one, init=1, order=1)]
    here, there = train(pair, faces, packed, GPU), train(pair, faces, "grouped", CPU)
    torch.testing.assert_close(here.weight_MP, there.weight_MP, rtol=0, atol=1e-10)


def test_a_network_that_cannot_be_fused_trains() -> None:
    one = member(network="resnet18", epochs=1, images=32, precision="float32")
    assert train([one], DIGITS, "single", GPU).finite_M.all()


def test_what_is_drawn_by_key_is_drawn_alike() -> None:
    key_B = torch.tensor([1, 2**62, 12345])
    assert torch.equal(uniform(key_B.to(GPU), 100, 3).cpu(), uniform(key_B, 100, 3))
    torch.testing.assert_close(normal(key_B.to(GPU), 100, 3).cpu(), normal(key_B, 100, 3), rtol=0, atol=1e-12)


def test_every_way_is_measured() -> None:
    members = [member(k % 8, init=k, precision="bf16") for k in range(16)]
    found = plan.measure(members, DIGITS, GPU)
    assert {(way.packed, way.width) for way in found} == {("single", 1), *((packed, 16) for packed in PACKED)}
    assert all(way.seconds > 0 and way.memory > 0 for way in found)
