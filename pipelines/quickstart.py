"""The whole way in two minutes or so: import pictures, debias real digits, read the report. Downloads nothing."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from biasray import data, storage
from biasray.bias.task import Question
from biasray.engine import cluster
from biasray.experiment import Compute, Training
from pipelines import debias, import_data
from pipelines.cli import run
from pipelines.place import Placed, own_folder, refuse_temporary
from pipelines.tracking import Tracked

FACES = 400


@dataclass(frozen=True, kw_only=True)
class Config(Placed, Tracked):
    """Import a folder of pictures with a CSV of labels; colour scikit-learn's 1,797 handwritten digits so that 95 %
    have their digit's own colour, and debias; record all of it in MLflow.

    The pictures are faces drawn by a program. A plain network (erm) reads the colour; GroupDRO, LfF and JTT should read
    the digit.
    """

    seeds: int = 3
    """Trainings of each method."""
    compute: Compute = Compute()


def main(config: Config) -> str:
    """Returns the folder of the comparison."""
    refuse_temporary(config)
    out = own_folder(config, "quickstart")
    comparison = debias.Config(
        task=Question(data="digits"),
        agreement=(0.95,),
        training=Training(epochs=40, batch=64),
        seeds=config.seeds,
        out=storage.join(out, "digits"),
        tracking=config.tracking,
        compute=config.compute,
    )
    debias.experiments(comparison, data.load("digits"), cluster.device(config.compute))  # refuse what is wrong at once
    pictures, imported = storage.join(out, "pictures"), storage.join(out, "drawn-faces")
    write_pictures(pictures)
    labels = storage.join(pictures, "labels.csv")
    print(f"1. Import {FACES} drawn faces from {pictures} with Ray Data\n")
    import_data.main(
        import_data.Config(name="folder", source=pictures, labels=labels, target="gender", bias="hat", out=imported)
    )
    print("\n2. Debias: digits whose colour gives them away\n")
    found = debias.main(comparison)
    print(
        f"\n3. Next\n\n   open {found}/report.html\n"
        + "   uv run mlflow ui --backend-store-uri sqlite:///mlflow.db\n"
        * (config.tracking is None and not cluster.submitted())
        + f"   uv run python -m pipelines.debias --data {imported} --agreement 0.9 --epochs 5\n"
        + "   uv run python -m pipelines.debias --help"
    )
    return found


def write_pictures(folder: str) -> None:
    """The first drawn faces as PNG files, with labels.csv."""
    faces = data.load("drawn-faces")
    images = faces.images(np.arange(FACES))
    table = faces.examples.iloc[:FACES]
    names = [f"{name}.png" for name in table["id"]]
    for name, image in zip(names, images, strict=True):
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "PNG")
        storage.write(storage.join(folder, name), buffer.getvalue())
    labelled = table[["age", "gender", "skin", "glasses", "hat", "smile"]].assign(file=names)
    storage.write(storage.join(folder, "labels.csv"), labelled.to_csv(index=False).encode())


if __name__ == "__main__":
    run(Config, main)
