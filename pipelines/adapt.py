"""Adapt classifiers to images without labels: ways to adapt x balancing x pools x start models, foreseen, done and compared."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from biasray import adaptation, adapting, data, storage
from biasray.adaptation.balance import Balance
from biasray.adaptation.guard import Outlook, Survey, outlook, surveyed
from biasray.adapting import CHOICE, DONE, Adaptation, Start, classified
from biasray.bias.crossed import refuse_unlike
from biasray.bias.part import part
from biasray.data.dataset import DataSet, has_label
from biasray.engine import cluster
from biasray.engine.adapt import Asked, adapt_all, look_all
from biasray.experiment import Compute, fast_precision, spelt, value
from biasray.foreseeing import Look, told
from biasray.random import rng
from biasray.report import adapt_page, adapt_rows
from biasray.report.adapt_guard import Foreseen, foreseen
from biasray.report.adapt_rows import Key
from biasray.report.results import Row
from pipelines.cli import about, run
from pipelines.place import Placed, claim, flat, own_folder, refuse_relative, refuse_temporary
from pipelines.progress import Progress
from pipelines.tracking import Tracked, metric, start

FILES = ("report.html", "results.json")


@dataclass(frozen=True, kw_only=True)
class Config(Placed, Tracked):
    """Adapt classifiers to images without labels, and test them beside the models that they start from.

    Says before training what is to be expected of each way (works, risky, will harm). Writes results.json, report.html and a
    folder for each adaptation. The same command again goes on where it stopped.
    """

    model: tuple[str, ...]
    """Start models: folders below cells/ of `pipelines.debias`, trained by erm. Those that learnt from the same with other
    seeds are seeds of one; several, biased more and more by --only or --agreement, make a map of when adapting works."""
    unlabelled: str
    """Data set whose training images are the pools; its labels reach `fine-tune` alone."""
    test: str
    """Data set to test on (its test split)."""
    pools: tuple[str, ...] = ("all",)
    """Which images: all, 'race=East Asian', 'race=East Asian,gender=Female', 'gender=Female:0.8' (eight in ten)."""
    most: int | None = None
    """Images of each pool, at most, drawn at random. Default: all."""
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


class Plan(NamedTuple):
    """All adaptations, in the order of their folders."""

    asked: list[Asked]
    keys: list[Key]  # of each
    starts: list[Start]
    classes: tuple[str, ...]
    pools: dict[str, NDArray[np.int64]]
    sources: list[DataSet]  # what each start model learnt from
    unlabelled: DataSet


def main(config: Config) -> str:
    """Adapt, test and compare; returns the folder of the results."""
    plan = _planned(config)
    each = [a.adapting for a in plan.asked]
    fingerprint = storage.fingerprint([a.fingerprint() for a in each])
    name = own_folder(config, f"adapt-{fingerprint}")
    out = storage.absolute(name)  # workers have other working directories
    claim(out, [{**dataclasses.asdict(a), "hash": a.fingerprint()} for a in each])
    print(f"{len(each)} adaptations of {len(config.model)} start models; tested on {len(plan.asked[0].test.row_N):,} images")
    print(f"out: {name}\n")
    guard = _foreseen(config, plan, out)
    records = start(config.tracking, f"adapt to {config.unlabelled}", fingerprint, flat(dataclasses.asdict(config)))
    if guard:
        print(f"Foreseen, before training:\n{adapt_page.outlook(guard)}\n")
    folders = [storage.join(out, "cells", _folder(key, a)) for key, a in zip(plan.keys, each, strict=True)]
    with Progress("adaptations") as progress:
        lost = adapt_all(plan.asked, folders, config.compute, storage.join(out, "ray"), progress)
    failed = [f"{each[k].called}, {each[k].pool}, seed {each[k].seed}: {said}" for k, said in lost.items()]
    missing = {plan.keys[k] for k in lost}
    found, choice, made = dict[Key, list[pd.DataFrame]](), dict[Key, list[tuple[float, float]]](), []
    for key, a, folder in zip(plan.keys, each, folders, strict=True):
        if key not in missing:
            done = storage.read_json(storage.join(folder, DONE))
            made.append(done["made"])
            found.setdefault(key, []).append(adapting.predictions(folder))
            if "labelled" not in adaptation.get(a.method).needs:
                choice.setdefault(key, []).append(tuple(done[CHOICE]))
    rows = list[Row]()
    if found:
        rows = adapt_rows.rows(config.test, {**found, **adapt_rows.picked(found, choice)}, plan.classes)
        _leave(plan, rows, {key: one for key, one in guard.items() if key in found}, failed, about(made), out)
        print(f"{adapt_page.text(rows, plan.classes)}\n\n{name}/report.html and results.json hold the rest.")
    if records:
        means = {metric(*(r[part].replace("=", " ") for part in Key._fields), r["metric"]): r["value"] for r in rows}
        print(records.close(means, out, ["config.json", *(FILES if found else [])], bool(failed)))
    if failed:
        raise ValueError("\n".join([*failed, "What failed is not shown; the same command tries it again."]))
    return out


def _leave(
    plan: Plan, rows: list[Row], guard: dict[Key, Foreseen], failed: Sequence[str], said: dict[str, Any], out: str
) -> None:
    """Write results and page."""
    foreseen = [{**key._asdict(), **one._asdict()} for key, one in guard.items()]
    storage.write_json(storage.join(out, "results.json"), {"about": said, "rows": rows, "foreseen": foreseen})
    sizes = {pool: len(row_P) for pool, row_P in plan.pools.items()}
    settings = _settings([a.adapting for a in plan.asked])
    page = adapt_page.render(rows, plan.classes, sizes, guard, settings, failed, said)
    storage.write(storage.join(out, "report.html"), page.encode())


def _foreseen(config: Config, plan: Plan, out: str) -> dict[Key, Foreseen]:
    """What is to be expected of each way that learns from pseudo-labels."""
    judged = {k: a.adapting for k, a in enumerate(plan.asked) if "balance" in a.adapting.settings}
    if not judged:
        return {}
    folders = {of.folder: storage.join(out, "starts", of.checksum) for of in plan.starts}
    looks = [Look(of.folder, plan.asked[0].adapting.precision) for of in plan.starts]
    scratch = storage.join(out, "ray")
    lost = look_all(looks, plan.sources, plan.unlabelled, plan.pools, list(folders.values()), config.compute, scratch)
    if lost:
        raise ValueError(f"{plan.starts[next(iter(lost))].folder}: {next(iter(lost.values()))}")
    surveys = dict[tuple[str, str], Survey]()
    for of, (pool, row_P) in product(plan.starts, plan.pools.items()):
        try:
            surveys[of.folder, pool] = surveyed(told(folders[of.folder], pool, row_P), plan.classes)
        except ValueError as error:
            raise ValueError(f"{of.folder}: {error}") from error
    seen = dict[Key, list[Outlook]]()
    for k, a in judged.items():
        settings, survey = a.settings, surveys[a.start, a.pool]
        one = outlook(survey, settings["balance"], settings["threshold"], settings.get("weight"))
        seen.setdefault(plan.keys[k], []).append(one)
    return {key: foreseen(each) for key, each in seen.items()}


def _planned(config: Config) -> Plan:
    """Raises ValueError for what makes no sense, or what the data cannot give."""
    refuse_temporary(config)
    for option, places in {"--model": config.model, "--unlabelled": [config.unlabelled], "--test": [config.test]}.items():
        for place in places:
            if place not in data.built_in():
                refuse_relative(option, place)
    if not (config.model and config.pools and config.methods and config.balance):
        raise ValueError("Give --model, --pools, --methods and --balance one value or more each.")
    device, chosen = cluster.device(config.compute), _variants(config)
    starts = [adapting.start(storage.absolute(folder)) for folder in config.model]
    _refuse_alike(starts)
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
    own = [sources[of.task.data] for of in starts]
    for of, source in zip(starts, own, strict=True):
        _refuse_shared(f"what {of.folder} learnt from", source, _seen(of, source), tested, test_R)
    asked, keys, pools = list[Asked](), list[Key](), dict[str, NDArray[np.int64]]()
    for text in dict.fromkeys(config.pools):
        row_R = pools[text] = _fewer(part(unlabelled.examples, text, rng("pool", text)), text, config.most)
        _refuse_shared("the pool", unlabelled, row_R, tested, test_R)
        images = classified(unlabelled, row_R, target, classes)
        for called, (method, settings) in chosen.items():
            for k, of in enumerate(starts):
                keys.append(Key(of.level, text, called))
                seed = config.seed + [other.level for other in starts[:k]].count(of.level)
                made = _adaptation(config, called, method, settings, of, classes, seed, device)
                made = dataclasses.replace(
                    made,
                    pool=text,
                    pool_checksum=storage.fingerprint([unlabelled.checksum, row_R.tolist()]),
                    test_checksum=storage.fingerprint([tested.checksum, test_R.tolist()]),
                )
                asked.append(Asked(made, own[k], images, test))
    for of in starts:
        adapting.weights(of, tested.shape, len(classes))(len(classes))  # refuses weights that do not fit
    return Plan(asked, keys, starts, classes, pools, own, unlabelled)


def _refuse_alike(starts: Sequence[Start]) -> None:
    """Raises ValueError for start models that would be taken for seeds of one another and are not."""
    for of in starts[1:]:
        other = next(one for one in starts if one.level == of.level)
        if of.made != other.made:
            how = f"both learnt from {of.level}, but not in the same way"
            raise ValueError(f"{of.folder} and {other.folder} {how}; adapt them in two runs.")
        if of is not other and any(one.seed == of.seed for one in starts if one is not of and one.level == of.level):
            raise ValueError(f"Two start models that learnt from {of.level} have seed {of.seed}; give each once.")


def _seen(of: Start, source: DataSet) -> NDArray[np.int64]:
    """Rows of what it learnt from, and was chosen by."""
    tables = adapting.learnt(of, source).tables
    return np.concatenate([tables[split]["row"].to_numpy() for split in ("train", "validation")])


def _fewer(row_R: NDArray[np.int64], text: str, most: int | None) -> NDArray[np.int64]:
    if most is None or most >= len(row_R):
        return row_R
    if most < 1:
        raise ValueError(f"--most must be at least 1, not {most}.")
    return np.sort(rng("most", text).permutation(row_R)[:most])


def _variants(config: Config) -> dict[str, tuple[str, dict[str, Any]]]:
    """Each method with each balancing and threshold, by its name in the comparison."""
    found = dict[str, tuple[str, dict[str, Any]]]()
    for entry in config.methods:
        method, given = spelt(entry)
        fields = {f.name for f in dataclasses.fields(adaptation.config(method, {}))}
        settings: dict[str, Any] = {name: value(text) for name, text in given.items()}
        balances: Sequence[Balance | None] = config.balance if "balance" in fields - set(given) else [None]
        thresholds: Sequence[float | None] = (config.threshold if "threshold" in fields - set(given) else ()) or [None]
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


def _refuse_shared(where: str, dataset: DataSet, row_R: NDArray[np.int64], tested: DataSet, test_R: NDArray[np.int64]) -> None:
    hashes, test = dataset.examples["hash"].iloc[row_R], tested.examples.iloc[test_R]
    if (twins := test["hash"].isin(hashes)).any():
        first = test["id"][twins].iloc[0]
        raise ValueError(f"{twins.sum():,} test images are in {where} too (the first: {first}); import it --without them.")


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


def _folder(key: Key, a: Adaptation) -> str:
    return f"{key.start} {key.pool} {key.method} {a.seed}".translate(str.maketrans(" =,:/", "-----"))


def _settings(each: Sequence[Adaptation]) -> dict[str, str]:
    """Of each method in words."""
    return {
        a.called: ", ".join(f"{name} {value}" for name, value in a.settings.items())
        + f"; {a.network}, {a.epochs} epochs, {a.recipe.optimiser} {a.recipe.lr:g}, batch {a.recipe.batch}"
        for a in each
    }


if __name__ == "__main__":
    run(Config, main)
