"""Where do images show an attribute? Maps for it, and trainings on images in which a confounder's regions are hidden."""

import dataclasses
import io
from dataclasses import dataclass
from typing import Any, NamedTuple

import matplotlib.image
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biasray import data, storage
from biasray.attributing import DONE, Learning
from biasray.attribution.confidence import Confidence
from biasray.attribution.confounded import COLUMN
from biasray.attribution.hide import By, With
from biasray.attribution.regions import Grid, normalised, pixel_maps
from biasray.attribution.values import values
from biasray.data.dataset import DataSet
from biasray.engine import cluster
from biasray.engine.attribute import learn_all, read_all
from biasray.experiment import SCALES, Compute, Experiment, Scale, Training, fast_precision
from biasray.random import rng
from biasray.recipe import Recipe
from biasray.report import attribute_page, attribute_rows
from biasray.report.attribute_page import Shown
from biasray.report.attribute_plots import HEAT
from biasray.report.attribute_rows import Mapped
from pipelines import robust
from pipelines.cli import about, run
from pipelines.place import Placed, claim, flat, own_folder, refuse_relative, refuse_temporary
from pipelines.progress import Progress
from pipelines.tracking import Tracked, metric, start

FILES = ("report.html", "results.json")


@dataclass(frozen=True, kw_only=True)
class Config(Placed, Tracked):
    """Map where images show attributes: a classifier tells each from one patch, and where it is sure, the image shows it.

    Trains a region classifier for each attribute, reads images of the test split with it, and writes results.json, report.html
    and a folder per attribute with its maps. With --train-robust it also trains on images in which the regions that show the
    confounder are hidden. The same command again goes on where it stopped.
    """

    data: str
    """Folder or URI of an imported data set, or a built-in one."""
    attributes: tuple[str, ...] = ()
    """What to map; images without a label train nothing, and are mapped all the same."""
    edges: tuple[float, ...] = ()
    """Of attributes in numbers: groups from each to the next. Default: quarters of the images."""
    images: int = 500
    """Images of the test split to map, and to judge the classifiers by."""
    read: str | None = None
    """Another data set to map in place of the test split, labelled or not, of the same size of images."""
    patch: int | None = None
    """Pixels a side of a patch. Default: a quarter of the image's."""
    across: int | None = None
    """Places along one side. Default: 45, or as many as fit."""
    confidence: Confidence = "entropy"
    """How sure a classifier is: by negative entropy, margin, or the top probability."""
    region_network: str = "cnn"
    """Of the classifier of patches; the paper's is resnet18."""
    region_epochs: int | None = None
    """Default: from the scale; the paper's are 90."""
    smoothing: float = 0.1
    """Label smoothing of the classifier of patches."""
    train_robust: bool = False
    """Also train on images that hide the confounder."""
    confounder: str | None = None
    """Attribute that goes with the target in training, and whose regions are hidden."""
    target: str | None = None
    """What is then learnt. Default: the data set's own."""
    shows: str | None = None
    """Values of the confounder (A,B or LOW..HIGH) that count as showing it. Default: of two values the rarer."""
    hides: str | None = None
    """Values that count as not showing it; images with others are left out. Default: all the others."""
    carrier: str | None = None
    """Value of the target that shows the confounder in training; the other never does. Default: where it is commoner."""
    most: int = 3000
    """Training examples of each target, at most."""
    by: tuple[By, ...] = ("general", "specific")
    """Hide by the mean map of all images, or by each image's own."""
    fill: tuple[With, ...] = ("mask", "noise")
    """Hide under grey, or in noise."""
    quantiles: tuple[float, ...] = (0.60, 0.70, 0.80, 0.95)
    """What is above them is hidden."""
    methods: tuple[str, ...] = ("erm",)
    """What is trained on each set, as in `pipelines.debias`."""
    training: Training = Training()
    compute: Compute = Compute()
    seeds: int | None = None
    """Trainings of each method and set. Default: from the scale."""
    seed: int = 0
    """The first seed; the others follow it."""
    scale: Scale = "laptop"
    """Fills what is left open: smoke 2 seeds x 2 epochs, laptop 3 x 20, paper 3 x 100 (region classifiers: 90)."""


class Asked(NamedTuple):
    """What a command asks for, with nothing left to refuse."""

    dataset: DataSet  # to learn from
    other: DataSet  # to map
    row_R: NDArray[np.int64]  # of `other`
    learnings: list[Learning]
    plan: robust.Plan | None

    @property
    def trainings(self) -> list[Learning | Experiment]:
        return [*self.learnings, *(self.plan.experiments if self.plan else [])]


def main(config: Config) -> str:
    """Train, map and judge; returns the folder of the results."""
    asked = _asked(config)
    trainings = [e.fingerprint() for e in asked.trainings]
    fingerprint = storage.fingerprint([*trainings, asked.other.checksum, asked.row_R.tolist(), config.confidence])
    name = own_folder(config, f"attribute-{fingerprint}")
    out = storage.absolute(name)  # workers have other working directories
    mine = [{**dataclasses.asdict(e), "hash": e.fingerprint()} for e in asked.trainings]
    claim(out, [*mine, {"confidence": config.confidence, "hash": config.confidence}])  # which says what is hidden
    records = start(config.tracking, f"attribute {asked.dataset.name}", fingerprint, flat(dataclasses.asdict(config)))
    grid = asked.learnings[0].grid
    print(
        f"{asked.dataset.name}: region classifiers of {', '.join(map(_called, asked.learnings))}, patches of {grid.patch} at "
        f"{grid.across} x {grid.across} places\nout: {name}\n"
    )
    if asked.plan:
        print(f"{asked.plan.said}\n")
    folders = {_called(one): storage.join(out, "regions", _called(one)) for one in asked.learnings}
    with Progress("region classifiers") as progress:
        lost = learn_all(
            asked.learnings, asked.dataset, [*folders.values()], config.compute, storage.join(out, "ray"), progress
        )
    failed = [f"{_called(asked.learnings[k])}: {said}" for k, said in lost.items()]
    whole = [one for k, one in enumerate(asked.learnings) if k not in lost]
    found = [_mapped(config, one, folders[_called(one)], asked, out) for one in whole]
    trained: robust.Robust | None = None
    if asked.plan and (learning := next((one for one in whole if one.values.attribute == asked.plan.column), None)):
        trained, more = robust.trained(config, asked.plan, learning, folders[_called(learning)], out)
        failed += more
    rows = attribute_rows.rows(asked.other.name, found)
    everything = [*rows, *(trained.rows if trained else [])]
    if found:
        done = {_called(one): storage.read_json(storage.join(folders[_called(one)], DONE)) for one in whole}
        settings = {_called(one): _said(one, done[_called(one)]) for one in whole}
        told = about([d["made"] for d in done.values()])
        shown = Shown(found, asked.other.take(asked.row_R), grid, config.confidence, settings, trained)
        storage.write_json(storage.join(out, "results.json"), {"about": told, "rows": everything})
        storage.write(storage.join(out, "report.html"), attribute_page.render(rows, shown, failed, told).encode())
        print(f"{_text(everything)}\n\n{name}/report.html, results.json and regions/ hold the rest.")
    if records:
        means = {metric(r["method"], r["setting"], r["metric"]): r["value"] for r in everything}
        print(records.close(means, out, ["config.json", *(FILES if found else [])], bool(failed)))
    if failed:
        raise ValueError("\n".join([*failed, "What failed is not shown; the same command tries it again."]))
    return out


def _asked(config: Config) -> Asked:
    """Raises ValueError for what makes no sense, or what the data cannot give."""
    refuse_temporary(config)
    for option, place in (("--data", config.data), ("--read", config.read)):
        if place is not None and place not in data.built_in():
            refuse_relative(option, place)
    attributes = _attributes(config)
    cluster.device(config.compute)  # refuses one that is not there
    dataset, plan = data.load(config.data), None
    if config.train_robust:
        plan = robust.planned(config, dataset)
        dataset = plan.dataset  # in which the confounder shows or does not
        attributes = tuple(plan.column if name == config.confounder else name for name in attributes)
    learnings = [_learning(config, dataset, name) for name in attributes]
    for one in learnings:
        one.build(dataset.shape[0])  # refuses a network that does not fit
    other = data.load(config.read) if config.read else dataset
    if other.shape != dataset.shape:
        raise ValueError(
            f"Images of --read {config.read} are {other.shape}, those of {config.data} {dataset.shape}; import alike."
        )
    return Asked(dataset, other, _rows(config, other), learnings, plan)


def _attributes(config: Config) -> tuple[str, ...]:
    """What is to be mapped; raises ValueError where that makes no sense."""
    if config.train_robust and config.confounder is None:
        raise ValueError("--train-robust needs a --confounder, the attribute whose regions are to be hidden.")
    if config.images < 2:
        raise ValueError(f"--images must be at least 2, not {config.images}.")
    attributes = tuple(dict.fromkeys([*config.attributes, *([config.confounder] if config.confounder else [])]))
    if not attributes:
        raise ValueError("Give --attributes one or more, or a --confounder.")
    return attributes


def _learning(config: Config, dataset: DataSet, attribute: str) -> Learning:
    _, h, w = dataset.shape
    if h != w:
        raise ValueError(f"Images of {dataset.name} are {h} x {w} pixels; maps need square ones.")
    patch = max(h // 4, 1) if config.patch is None else config.patch
    if not 1 <= patch <= h:
        raise ValueError(f"A --patch of {patch} pixels does not fit into images of {h} x {h}.")
    across = min(45, h - patch + 1) if config.across is None else config.across
    epochs = 90 if config.scale == "paper" else SCALES[config.scale].epochs
    epochs = epochs if config.region_epochs is None else config.region_epochs
    if epochs < 1:
        raise ValueError(f"--region-epochs must be at least 1, not {epochs}.")
    return Learning(
        data=config.data,
        checksum=dataset.checksum,
        values=values(dataset.examples, attribute, dataset.attributes, config.edges),
        network=config.region_network,
        grid=Grid(side=h, patch=patch, across=across),
        epochs=epochs,
        recipe=Recipe(optimiser="adamw", lr=1e-3, batch=256, schedule="step", every=max(1, epochs * 40 // 90)),
        smoothing=config.smoothing,
        precision=config.training.precision or fast_precision(config.region_network, cluster.device(config.compute)),
        seed=config.seed,
    )


def _rows(config: Config, dataset: DataSet) -> NDArray[np.int64]:
    """The images to map: all of another data set or of the test split, or as many as are asked for, drawn."""
    there = np.arange(len(dataset.examples)) if config.read else np.flatnonzero(dataset.examples["split"] == "test")
    return np.sort(rng("maps").permutation(there)[: config.images])


def _mapped(config: Config, learning: Learning, folder: str, asked: Asked, out: str) -> Mapped:
    """Read the images, and leave the maps beside the classifier: arrays, and a picture of their mean."""
    attribute, scratch, dataset, row_R = _called(learning), storage.join(out, "ray"), asked.other, asked.row_R
    with Progress(f"mapped for {attribute}", "images") as progress:
        heard = progress.counted(len(row_R))
        read = read_all(learning, folder, dataset, row_R, config.confidence, config.compute, scratch, heard)
    region_NAA = read.region_NAA.astype(np.float64)
    pixel_NHW = pixel_maps(region_NAA, learning.grid)
    buffer, picture = io.BytesIO(), io.BytesIO()
    ids = dataset.examples["id"].iloc[row_R].to_numpy(dtype=str)
    np.savez_compressed(buffer, id=ids, region_NAA=read.region_NAA, pixel_NHW=pixel_NHW.astype(np.float32))
    matplotlib.image.imsave(picture, normalised(pixel_NHW.mean(0)), cmap=HEAT, vmin=0, vmax=1, format="png")
    storage.write(storage.join(folder, "maps.npz"), buffer.getvalue())
    storage.write(storage.join(folder, "mean.png"), picture.getvalue())
    examples = dataset.examples.iloc[row_R]
    shown_NHW = dataset.shown(row_R, attribute) if dataset.shown else None
    seconds = storage.read_json(storage.join(folder, DONE))["seconds"]
    names = learning.values.names
    return Mapped(attribute, names, learning.values.codes(examples), region_NAA, pixel_NHW, read.sure, shown_NHW, seconds)


def _called(learning: Learning) -> str:
    """The attribute, as the data set has it."""
    return learning.values.attribute.removesuffix(COLUMN)


def _said(learning: Learning, done: dict[str, Any]) -> str:
    unlabelled = f", {done['unlabelled']:,} without a label left out" if done["unlabelled"] else ""
    return (
        f"{', '.join(learning.values.names)}; {learning.network}, {learning.epochs} epochs of {done['images']:,} images"
        f"{unlabelled}, "
        f"{learning.recipe.optimiser} {learning.recipe.lr:g}, batch {learning.recipe.batch}, smoothing {learning.smoothing:g}; "
        f"{done['seconds']:.0f} s"
    )


def _text(rows: list[dict[str, Any]]) -> str:
    """The figures as a table."""
    lines = []
    for r in rows:
        if r["interval"] in ("images", "ways to halve", "seeds") and " minus " not in r["metric"]:
            span = "" if r["low"] is None else f" ({r['low']:.3f} to {r['high']:.3f})"
            lines.append({"method": r["method"], "of": r["setting"], "metric": r["metric"], "value": f"{r['value']:.3f}{span}"})
    return str(pd.DataFrame(lines).to_string(index=False))


if __name__ == "__main__":
    run(Config, main)
