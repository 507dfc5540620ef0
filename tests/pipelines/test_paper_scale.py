"""From a folder as a data set's makers publish it to a training with the paper's network and settings."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from biasray.experiment import Compute, Training
from pipelines import debias, import_data
from pipelines.debias import Question
from tests.data import test_cmnist

SPLIT = "000012"  # of six images in turn: four to train on, one to validate, one to test


def picture(file: Path, number: int, bright: bool = False) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(number).integers(0, 100, (40, 40, 3)) + 150 * bright
    Image.fromarray(noise.astype(np.uint8)).save(file)


def coded(number: int) -> tuple[int, int, str]:
    """Target, bias and split of an image; a quarter of each split contradicts the bias."""
    target, round_ = number // 6 % 2, number // 12
    return target, target if round_ % 4 else 1 - target, SPLIT[number % 6]


def celeba(folder: Path) -> Path:
    each = [(f"{n:06d}.jpg", *coded(n)) for n in range(96)]
    for n, (name, *_) in enumerate(each):
        picture(folder / "img_align_celeba" / name, n)
    labels = [f"{name} {2 * target - 1} {2 * bias - 1}" for name, target, bias, _ in each]
    (folder / "list_attr_celeba.txt").write_text("\n".join([str(len(each)), "Big_Nose Male", *labels]))
    (folder / "list_eval_partition.txt").write_text("\n".join(f"{name} {split}" for name, *_, split in each))
    return folder


def waterbirds(folder: Path) -> Path:
    lines = ["img_id,img_filename,y,split,place,place_filename"]
    for n in range(96):
        target, bias, split = coded(n)
        picture(folder / f"001.Auk/{n}.jpg", n)
        lines.append(f"{n},001.Auk/{n}.jpg,{target},{split},{bias},x")
    (folder / "metadata.csv").write_text("\n".join(lines))
    return folder


def dogs_cats(folder: Path) -> Path:
    for n in range(96):
        picture(folder / f"train/{('cat', 'dog')[n % 2]}.{n}.jpg", n, bright=n // 2 % 2 == 1)
    return folder


def cmnist(folder: Path) -> Path:
    source = test_cmnist.write(folder)
    for n in range(100):
        picture(folder / f"cmnist/test/{n // 10}/9_{n // 10}_{n % 10}.png", n)
    return Path(source)


def imagenet_b(folder: Path) -> Path:
    for part in ("train", "val"):
        for n in range(200):
            picture(folder / part / f"n{n % 10:02d}/{n}.JPEG", n + 1000 * (part == "val"))
    return folder


@pytest.mark.parametrize(
    ("write", "network", "p"),
    [
        (celeba, "resnet18", 10.0),
        (waterbirds, "resnet18", 5.0),
        (dogs_cats, "resnet18", 5.0),
        (cmnist, "mlp", 5.0),
        (imagenet_b, "resnet34", 5.0),
    ],
)
@pytest.mark.usefixtures("local_ray")
def test_a_published_folder_is_imported_and_trained_on_as_its_paper_does(
    write: Callable[[Path], Path], network: str, p: float, tmp_path: Path
) -> None:
    name = write.__name__.replace("_", "-")
    data, out = str(tmp_path / "data"), tmp_path / "out"
    source = write(tmp_path / "source")
    import_data.main(import_data.Config(name=name, source=str(source), out=data, size=None if name == "cmnist" else 32))
    debias.main(
        debias.Config(
            task=Question(data=data),
            agreement=(0.75,) if name == "dogs-cats" else (),
            methods=("poisoner",),
            scale="paper",
            training=Training(epochs=1, batch=32),
            compute=Compute(device="cpu", threads=1),
            seeds=1,
            out=str(out),
            tracking="none",
        )
    )
    (experiment,) = json.loads((out / "config.json").read_text())
    assert (experiment["network"], experiment["settings"]["p"]) == (network, p)
    assert {"group_average", "bias_accuracy"} <= {r["metric"] for r in json.loads((out / "results.json").read_text())["rows"]}
