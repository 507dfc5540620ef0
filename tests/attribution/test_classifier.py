from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from biasray.attributing import Learning, Reader, learn
from biasray.attribution.reading import probabilities
from biasray.attribution.regions import Grid, pixel_maps
from biasray.attribution.values import Values
from biasray.loop import Tick
from biasray.recipe import Recipe
from tests.attribution.corners import CORNER, SIDE, corners

CPU = torch.device("cpu")
DATA = corners()
LEARNING = Learning(
    data="corners",
    checksum=DATA.checksum,
    values=Values(attribute="mark", names=("no", "yes")),
    network="cnn",
    grid=Grid(side=SIDE, patch=16, across=5),
    epochs=20,
    recipe=Recipe(optimiser="adamw", batch=32),
    smoothing=0.1,
    precision="float32",
    seed=0,
)
TEST = np.flatnonzero(DATA.examples["split"] == "test")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = str(tmp_path_factory.mktemp("trained"))
    learn(LEARNING, DATA, folder, CPU)
    return folder


def test_it_finds_the_corner_that_tells(trained: str) -> None:
    code_N = LEARNING.values.codes(DATA.examples)[TEST]
    found = Reader(LEARNING, trained, CPU).read(DATA.take(TEST), code_N, "entropy")
    map_HW = pixel_maps(found.region_NAA.astype(float), LEARNING.grid).mean(0)
    row, column = np.unravel_index(map_HW.argmax(), map_HW.shape)
    assert max(row, column) < CORNER
    assert map_HW[:CORNER, :CORNER].mean() > map_HW[-CORNER:, -CORNER:].mean() + 0.1
    right = found.sure.right_S.sum() / found.sure.n_S.sum()
    assert right > 0.54  # 4 of 25 places tell
    assert not found.sure.n_S[code_N == -1].any()
    assert (found.sure.n_S[code_N >= 0].sum(1) == LEARNING.grid.places).all()


def test_reading_all_places_at_once_says_what_each_patch_says(trained: str) -> None:
    classifier, image_NHWC = Reader(LEARNING, trained, CPU).classifier, DATA.take(TEST[:2])
    image_BCHW = torch.from_numpy(image_NHWC).permute(0, 3, 1, 2) / 255
    for image_CHW, p_PK in zip(image_BCHW, probabilities(classifier, image_NHWC, CPU, "float32"), strict=True):
        for place in (0, 7, 24):
            with torch.no_grad():
                expected = classifier.at(image_CHW[None], torch.tensor([place])).softmax(1)[0]
            np.testing.assert_allclose(p_PK[place], expected, atol=1e-5)


def test_the_place_is_told_beside_the_patch(trained: str) -> None:
    """Or a patch would mean the same everywhere."""
    classifier = Reader(LEARNING, trained, CPU).classifier
    with torch.no_grad():
        logits_BK = classifier.at(torch.full((2, 3, SIDE, SIDE), 0.5), torch.tensor([0, 24]))
    assert not torch.equal(logits_BK[0], logits_BK[1])


def test_images_without_a_label_train_nothing(trained: str, tmp_path: Path) -> None:
    done = learn(LEARNING, DATA, trained, CPU)
    blank_N = DATA.examples["mark"] == ""
    train_N = DATA.examples["split"] == "train"
    assert done["unlabelled"] == (blank_N & train_N).sum() > 0
    assert done["images"] + done["unlabelled"] == train_N.sum()


def test_stopped_anywhere_it_ends_as_if_it_had_not_been(trained: str, tmp_path: Path) -> None:
    short, steps = replace(LEARNING, epochs=2), 0
    learn(short, DATA, str(tmp_path / "whole"), CPU)

    class StoppedError(Exception):
        pass

    def stop(tick: Tick) -> None:
        nonlocal steps
        steps += 1
        if steps in (3, 8):
            raise StoppedError

    for _ in range(2):
        with pytest.raises(StoppedError):
            learn(short, DATA, str(tmp_path / "stopped"), CPU, stop, save_seconds=0)
    learn(short, DATA, str(tmp_path / "stopped"), CPU, stop, save_seconds=0)
    one, other = (load_file(tmp_path / name / "network.safetensors") for name in ("whole", "stopped"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_labels_must_be_there(tmp_path: Path) -> None:
    unlabelled = replace(DATA, examples=DATA.examples.assign(mark=np.where(DATA.examples["split"] == "train", "", "yes")))
    with pytest.raises(ValueError, match="No train image of corners has a label of mark"):
        learn(LEARNING, unlabelled, str(tmp_path), CPU)
