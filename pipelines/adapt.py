"""Adapt classifiers to images without labels, and see what that gains: ways to adapt x balancing x pools x start models."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from biasray import adaptation, adapting, data, storage
from biasray.adaptation.balance import Balance
from biasray.adapting import DONE, Adaptation, Start, classified
from biasray.bias.crossed import refuse_unlike
from biasray.bias.part import part
from biasray.data.dataset import DataSet, has_label
from biasray.engine import cluster
from biasray.engine.adapt import Asked, adapt_all
from biasray.experiment import Compute, fast_precision, spelt, value
from biasray.random import rng
from biasray.report import adapt_page, adapt_rows
from biasray.report.results import Row
from pipelines.cli import about, run
from pipelines.place import claim, flat, refuse_relative
from pipelines.progress import Progress
from pipelines.tracking import metric, start

FILES = ("report.html", "results.json")


@dataclass(frozen=True, kw_only=True)
class Config:
    """Adapt classifiers to images without labels, and test them beside the models that they start from.

    Writes results.json, report.html and a folder for each adaptation. The same command again goes on where it stopped.
    """

    model: tuple[str, ...]
    """Start models, one a seed: folders below cells/ of `pipelines.debias` or `cross_audit`, trained by erm."""
    unlabelled: str
    """Data set whose training images are the pools; its labels reach `fine-tune` alone."""
    test: str
    """Data set to test on (its test split)."""
    pools: tuple[str, ...] = ("all",)
    """Which images: all, 'race=East Asian', 'race=East Asian,gender=Female', 'gender=Female:0.8' (eight in ten)."""
    methods: tuple[str, ...] = ("pseudo-label",)
    """fine-tune (with labels), pseudo-label, fixmatch, flexmatch; other settings as fixmatch:mu=3,weight=0.5."""
    balance: tuple[Balance, ...] = ("none", "equal", "estimated")
    """Shares of the classes among pseudo-labels: as they come, equal, or as they are estimated to occur."""
    threshold: tuple[float, ...] = ()
    """Least probabilities of a pseudo-label. Default: each method's own."""
    epochs: int | None = None
    """Of each round, or of the labelled images. Default: each method's own."""
    lr: float | None = None
    """Learning rate. Default: each method's own."""
    compute: Compute = Compute()
    seed: int = 0
    """The first seed; the others follow it."""
    out: str | None = None
    """Folder or URI of the results. Default: runs/adapt-HASH."""
    tracking: str | None = None
    """MLflow: sqlite:///FILE, http://HOST:PORT, or none. Default: MLFLOW_TRACKING_URI, else sqlite:///mlflow.db."""


class Plan(NamedTuple):
    """All adaptations, in the order of their folders."""

    asked: list[Asked]
    test: str
    classes: tuple[str, ...]
    sizes: dict[str, int]  # images of each pool


def main(config: Config) -> str:
    """Adapt, test and compare; returns the folder of the results."""
    plan = _planned(config)
    each = [a.adapting for a in plan.asked]
    fingerprint = storage.fingerprint([a.fingerprint() for a in each])
    name = config.out or f"runs/adapt-{fingerprint}"
    out = storage.absolute(name)  # workers have other working directories
    claim(out, [{**dataclasses.asdict(a), "hash": a.fingerprint()} for a in each])
    records = start(config.tracking, f"adapt to {config.unlabelled}", fingerprint, flat(dataclasses.asdict(config)))
    print(f"{len(each)} adaptations of {len(config.model)} start models; tested on {len(plan.asked[0].test.row_N):,} images")
    print(f"out: {name}\n")
    folders = [storage.join(out, "cells", _folder(a)) for a in each]
    with Progress("adaptations") as progress:
        lost = adapt_all(plan.asked, folders, config.compute, storage.join(out, "ray"), progress)
    failed = [f"{each[k].called}, {each[k].pool}, seed {each[k].seed}: {said}" for k, said in lost.items()]
    missing = {(each[k].pool, each[k].called) for k in lost}
    found = dict[tuple[str, str], list[pd.DataFrame]]()
    for a, folder in zip(each, folders, strict=True):
        if (a.pool, a.called) not in missing:
            found.setdefault((a.pool, a.called), []).append(adapting.predictions(folder))
    rows: list[Row] = adapt_rows.rows(plan.test, found, plan.classes) if found else []
    if found:
        done = [storage.read_json(storage.join(f, DONE)) for k, f in enumerate(folders) if k not in lost]
        told = about([d["made"] for d in done])
        storage.write_json(storage.join(out, "results.json"), {"about": told, "rows": rows})
        page = adapt_page.render(rows, plan.classes, plan.sizes, _settings(each), failed, told)
        storage.write(storage.join(out, "report.html"), page.encode())
        print(f"{adapt_page.text(rows, plan.classes)}\n\n{name}/report.html and results.json hold the rest.")
    if records:
        means = {metric(r["pool"].replace("=", " "), r["method"], r["metric"]): r["value"] for r in rows}
        print(records.close(means, out, ["config.json", *(FILES if found else [])], bool(failed)))
    if failed:
        raise ValueError("\n".join([*failed, "What failed is not shown; the same command tries it again."]))
    return out


def _planned(config: Config) -> Plan:
    """Raises ValueError for what makes no sense, or what the data cannot give."""
    refuse_relative("--out", config.out)
    for option, places in {"--model": config.model, "--unlabelled": [config.unlabelled], "--test": [config.test]}.items():
        for place in places:
            if place not in data.built_in():
                refuse_relative(option, place)
    if not (config.model and config.pools and config.methods and config.balance):
        raise ValueError("Give --model, --pools, --methods and --balance one value or more each.")
    device, chosen = cluster.device(config.compute), _variants(config)
    starts = [adapting.start(storage.absolute(folder)) for folder in config.model]
    unlabelled, tested = data.load(config.unlabelled), data.load(config.test)
    sources = {place: data.load(place) for place in {of.task.data for of in starts}}
    target = starts[0].task.target
    assert target is not None
    refuse_unlike([*sources.values(), tested, *([unlabelled] if target in unlabelled.attributes else [])], target)
    if unlabelled.shape != tested.shape:
        shapes = f"Images of {unlabelled.name} are {unlabelled.shape}, those of {tested.name} {tested.shape}"
        raise ValueError(f"{shapes}; import alike.")
    classes = _classes(starts, sources)
    test_R = np.flatnonzero((tested.examples["split"] == "test") & has_label(tested.examples[target]))
    test = classified(tested, test_R, target, classes)
    asked, sizes = list[Asked](), dict[str, int]()
    for text in dict.fromkeys(config.pools):
        row_R = part(unlabelled.examples, text, rng("pool", text))
        _refuse_shared(unlabelled, row_R, tested, test_R)
        sizes[text], images = len(row_R), classified(unlabelled, row_R, target, classes)
        for called, (method, settings) in chosen.items():
            for k, of in enumerate(starts):
                made = _adaptation(config, called, method, settings, of, classes, config.seed + k, device)
                made = dataclasses.replace(
                    made,
                    pool=text,
                    pool_checksum=storage.fingerprint([unlabelled.checksum, row_R.tolist()]),
                    test_checksum=storage.fingerprint([tested.checksum, test_R.tolist()]),
                )
                asked.append(Asked(made, sources[of.task.data], images, test))
    for of in starts:
        adapting.weights(of, tested.shape, len(classes))(len(classes))  # refuses weights that do not fit
    return Plan(asked, config.test, classes, sizes)


def _variants(config: Config) -> dict[str, tuple[str, dict[str, Any]]]:
    """Each method with each balancing and threshold, by its name in the comparison."""
    found = dict[str, tuple[str, dict[str, Any]]]()
    for entry in config.methods:
        method, given = spelt(entry)
        fields = {f.name for f in dataclasses.fields(adaptation.config(method, {}))}
        settings: dict[str, Any] = {name: value(text) for name, text in given.items()}
        balances: Sequence[Balance | None] = config.balance if "balance" in fields else [None]
        thresholds: Sequence[float | None] = config.threshold if "threshold" in fields and config.threshold else [None]
        for balance, threshold in product(balances, thresholds):
            more = {name: x for name, x in (("balance", balance), ("threshold", threshold)) if x is not None}
            adaptation.config(method, {**settings, **more})  # refuses what it does not have
            words = [*(f"{name} {text}" for name, text in given.items()), *([f"threshold {threshold:g}"] if threshold else [])]
            found[" ".join([method, *([balance] if balance else []), *words])] = (method, {**settings, **more})
    return found


def _classes(starts: Sequence[Start], sources: dict[str, DataSet]) -> tuple[str, ...]:
    """The classes that start models know; raises ValueError where they know others than one another."""
    known = {of.folder: adapting.learnt(of, sources[of.task.data]).targets for of in starts}
    first, *others = known.items()
    for folder, classes in others:
        if classes != first[1]:
            raise ValueError(f"{folder} tells {', '.join(classes)}, {first[0]} {', '.join(first[1])}; give models of one task.")
    return first[1]


def _refuse_shared(unlabelled: DataSet, row_R: np.ndarray, tested: DataSet, test_R: np.ndarray) -> None:
    pool_hashes, test = unlabelled.examples["hash"].iloc[row_R], tested.examples.iloc[test_R]
    if (twins := test["hash"].isin(pool_hashes)).any():
        first = test["id"][twins].iloc[0]
        raise ValueError(f"{twins.sum():,} test images are in the pool too (the first: {first}); import it --without them.")


def _adaptation(
    config: Config,
    called: str,
    method: str,
    settings: dict[str, Any],
    of: Start,
    classes: tuple[str, ...],
    seed: int,
    device: torch.device,
) -> Adaptation:
    preset = adaptation.get(method).own[""]
    if config.epochs is not None and config.epochs < 1:
        raise ValueError(f"--epochs must be at least 1, not {config.epochs}.")
    recipe = preset.recipe if config.lr is None else dataclasses.replace(preset.recipe, lr=config.lr)
    return Adaptation(
        called=called,
        start=of.folder,
        start_checksum=of.checksum,
        pool="",
        pool_checksum="",
        test_checksum="",
        classes=classes,
        method=method,
        settings=dataclasses.asdict(adaptation.config(method, settings)),
        recipe=recipe,
        epochs=config.epochs or preset.epochs,
        network=of.network,
        precision=fast_precision(of.network, device),
        seed=seed,
    )


def _folder(a: Adaptation) -> str:
    return f"{a.pool} {a.called} {a.seed}".translate(str.maketrans(" =,:/", "-----"))


def _settings(each: Sequence[Adaptation]) -> dict[str, str]:
    """Of each method in words."""
    return {
        a.called: ", ".join(f"{name} {value}" for name, value in a.settings.items())
        + f"; {a.network}, {a.epochs} epochs, {a.recipe.optimiser} {a.recipe.lr:g}, batch {a.recipe.batch}"
        for a in each
    }


if __name__ == "__main__":
    run(Config, main)
