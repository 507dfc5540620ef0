"""Read the level of bias from the weights of a zoo's models, and of a model of yours."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from biasray import storage
from biasray.engine.detect import file, named, opened, read_all
from biasray.experiment import Scale
from biasray.networks.layout import Layout
from biasray.report import detect_page, detect_rows
from biasray.report.detect_rows import Found
from biasray.weights import chain, detectors, embedding
from biasray.weights.detectors import Front, Layers
from biasray.weights.embedding import Plane
from biasray.weights.neural import Neural
from biasray.weights.study import Models, Parts, Reading, Split, by_accuracy, folds, grouped_by, levels
from biasray.zoo import store
from pipelines.cli import about, run
from pipelines.model import judged, suspect
from pipelines.place import Placed, claim, flat, own_folder, refuse_relative, refuse_temporary
from pipelines.progress import Progress
from pipelines.tracking import Tracked, start

FILES = ("report.html", "results.json")
SEEDS: dict[Scale, int] = {"smoke": 1, "laptop": 1, "paper": 3}
ORACLE = "its own accuracy"


@dataclass(frozen=True, kw_only=True)
class Config(Placed, Tracked):
    """Read the level of bias from the weights of a zoo's models, without running them on a single image.

    Tries each detector on each split of the zoo, beside its controls, and writes results.json, report.html and a table of what
    each fit read. The same command again goes on where it stopped.
    """

    zoo: str
    """Folder or URI of a finished zoo of one network."""
    detectors: tuple[str, ...] = ("all",)
    """all, or names such as pca-knn, conv1x1 or statistics-forest; a name that there is not is answered with all of them."""
    layers: tuple[Layers, ...] = ("all",)
    """all, or conv: the convolutions alone."""
    front: tuple[Front, ...] = ("none",)
    """In front of the detector: none; canonical, which puts hidden units in the order of the first model's; augmented, which
    learns from each model with its units in several orders."""
    split: tuple[Split, ...] = ("group", "random")
    """random: five folds. group: folds that share no --group. original: learn from one half of the images' members, test on the
    other's. re-shuffled: learn from 70 % of each half. adapted: learn, then fine-tune on 80 % of the models of --adapt, or of
    the second half."""
    group: str | None = None
    """Column of the zoo's index that parts groups. Default: half, init, jitter, order or subset, the first that varies."""
    curve: tuple[int, ...] = ()
    """Numbers of models to learn from, on the first split, beside all of them."""
    adapt: str | None = None
    """Folder or URI of a zoo of another network with the same levels, for the adapted split."""
    model: str | None = None
    """A checkpoint of somebody's (.safetensors, .pt, .pth, .h5), to read its level with the best detector."""
    plane: Plane = "t-SNE"
    """How models are put in a plane for the report. UMAP is an extra: uv sync --extra umap."""
    seeds: int | None = None
    """Fits of each detector. Default: from the scale."""
    seed: int = 0
    """The first seed; splits are drawn from it too."""
    scale: Scale = "laptop"
    """Fills --seeds: smoke 1, laptop 1, paper 3."""


def main(config: Config) -> str:
    """Try detectors on a zoo; returns the folder of the results."""
    refuse_temporary(config)
    embedding.check(config.plane)
    for option, place in (("--zoo", config.zoo), ("--adapt", config.adapt), ("--model", config.model)):
        if place is not None:
            refuse_relative(option, place)
    zoo = storage.absolute(config.zoo)
    other = None if config.adapt is None else storage.absolute(config.adapt)
    index, layout = opened(zoo).index, opened(zoo).layout
    zoos = [folder for folder in (zoo, other) if folder]
    for folder in zoos:
        refuse_unlike(folder)
    model = None if config.model is None else suspect(config.model, layout)
    judges = next((split for split in config.split if split != "adapted"), None)
    if model and judges is None:
        raise ValueError(
            "--model is read by a detector that was not adapted: give a --split besides adapted, which shows how good it is."
        )
    group = grouped_by(index, config.group)
    parts = {
        (split, k): fold
        for split in config.split
        for k, fold in enumerate(folds(index, split, config.seed, config.group, opened(other).index if other else None))
    }
    readings = asked(config, parts, [opened(folder).layout for folder in zoos], index["level"].nunique())
    checksums = [storage.read_json(storage.join(folder, store.MANIFEST))["checksum"] for folder in zoos]
    hashes = [storage.fingerprint([checksums, named(r, parts[r.split, r.fold])]) for r in readings]
    fingerprint = storage.fingerprint(hashes)
    name = own_folder(config, f"detect-{fingerprint}")
    out = storage.absolute(name)  # workers have other working directories
    claim(out, [{**vars(r), "zoo": checksums[0], "hash": mark} for r, mark in zip(readings, hashes, strict=True)])
    records = start(config.tracking, f"detect {config.zoo}", fingerprint, flat(dataclasses.asdict(config)))
    print(f"{len(index):,} models of {index['level'].nunique()} levels, {len(readings)} fits\nout: {name}\n")
    with Progress("fits", "fits") as progress:
        failed = read_all(readings, parts, zoo, other, out, progress)
    lost = {detect_rows.series(readings[k]) for k in failed}  # of a series that lacks a fit nothing is shown
    done = [r for r in readings if detect_rows.series(r) not in lost]
    tables = {r: storage.read_table(file(out, r, parts[r.split, r.fold])) for r in done}
    every = detect_rows.found(tables, index["level"].nunique())
    if every:
        indices = {split: opened(other).index if other and split == "adapted" else index for split in config.split}
        oracles = {split: oracle(split, parts, mine) for split, mine in indices.items() if known_accuracy(mine)}
        whole = [f for f in every if f.members is None]
        tried = [f for f in whole if f.split == judges]
        said = judged(str(config.model), model, opened(zoo), readings, tried) if model and tried else None
        conclude(out, checksums[0], config, group, opened(zoo), every, whole, oracles, said)
        print(f"\n{name}/report.html and results.json hold the rest.")
    if records:
        means = {f"{f.detector}/{f.setting}/{f.split}/{f.learnt} models".replace(",", ""): f.accuracy for f in every}
        print(records.close(means, out, ["config.json", *(FILES if every else [])], bool(failed)))
    if failed:
        reasons = [f"{readings[k].detector}, {readings[k].split} split: {sentence}" for k, sentence in failed.items()]
        note = "Of a detector with a failed fit nothing is shown. What was fitted stays; the same command tries the rest again."
        raise ValueError("\n".join([*reasons, note]))
    return out


def refuse_unlike(zoo: str) -> None:
    """Raise ValueError for a zoo of a network whose units cannot change places."""
    chain.check(*store.architecture(zoo, opened(zoo).index["network"].iloc[0]))


def asked(config: Config, parts: Parts, layouts: Sequence[Layout], kinds: int) -> list[Reading]:
    """The fits to make, of so many kinds of level; raises ValueError for detectors, layers and sizes that there are not.

    `layouts` are those of the zoo's models and, where there are others to adapt to, of these.
    """
    seeds = SEEDS[config.scale] if config.seeds is None else config.seeds
    if seeds < 1:
        raise ValueError(f"--seeds must be at least 1, not {seeds}.")
    chosen = list(detectors.found()) if "all" in config.detectors else list(dict.fromkeys(config.detectors))
    for name in chosen:
        detectors.known(name)
    if "conv" in config.layers:
        for read in layouts:
            chain.convolutions(read)
    tunable = {name for name in chosen if isinstance(detectors.known(name)(layouts[0], 0), Neural)}
    first = config.split[0]
    fewest = min(len(fold.train) for (split, _), fold in parts.items() if split == first)
    low, high = max(8, kinds), fewest - kinds  # some of each level are taken, and some are left
    for size in config.curve:
        if not low <= size <= high:
            raise ValueError(
                f"--curve {size}: give numbers of models from {low} to {high:,}, since {first} has {fewest:,} to learn from."
            )
    return [
        Reading(name, layers, front, split, fold, seed, members, tuned)
        for name in chosen
        for layers in config.layers
        for front in config.front
        for split, fold in parts
        for members in (None, *(config.curve if split == first else ()))
        for tuned in ((False, True) if split == "adapted" and name in tunable else (False,))
        for seed in range(config.seed, config.seed + seeds)
    ]


def oracle(split: Split, parts: Parts, index: pd.DataFrame) -> Found:
    """What a model's own accuracy tells of its level, on the folds of a split."""
    code_M, tables = levels(index), dict[Reading, pd.DataFrame]()
    for (part, k), fold in parts.items():
        if part == split:
            read = by_accuracy(fold, index)
            table = {"id": index["id"].to_numpy()[fold.test], "level": code_M[fold.test], "read": read, "shuffled": read}
            tables[Reading(ORACLE, "all", "none", split, k, 0)] = pd.DataFrame(
                {**table, "seconds": 0.0, "trained": len(fold.train)}
            )
    return detect_rows.found(tables, index["level"].nunique())[0]._replace(setting="no weights")


def known_accuracy(index: pd.DataFrame) -> bool:
    """Whether every member's own accuracy is known; of models of others it need not be."""
    return "accuracy" in index and bool(index["accuracy"].notna().all())


def conclude(
    out: str,
    zoo: str,
    config: Config,
    group: str,
    models: Models,
    every: Sequence[Found],
    whole: Sequence[Found],
    oracles: Mapping[Split, Found],
    model: Mapping[str, Any] | None,
) -> None:
    """Write results.json and report.html, and print the headline; `whole` are the figures of detectors that learnt from all."""
    told = about()
    alike = [f for f in every if f.split == config.split[0] and f.trained[0] > 0.9 * f.trained[1]]  # in all folds about as many
    curves = alike if config.curve else []
    found = {"about": told, "rows": detect_rows.rows(config.zoo, [*every, *oracles.values()]), "model": model}
    storage.write_json(storage.join(out, "results.json"), found)
    place_M2 = embedding.plane(models.weight_MP, config.seed, config.plane)
    other = "another family" if config.adapt else "the second half of the images"
    html = detect_page.render(whole, curves, oracles, models.index, place_M2, config.plane, group, other, model, zoo, told)
    storage.write(storage.join(out, "report.html"), html.encode())
    print(detect_rows.text([*whole, *oracles.values()]))
    if model:
        print("\n".join(["", f"{model['file']}: {model['sentence']}", *model["caveats"]]))


if __name__ == "__main__":
    run(Config, main)
