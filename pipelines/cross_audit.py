"""Whom does a classifier fail? Classifiers that are trained here, or whose answers are there, on data sets, by groups."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from biasray import cell, data, storage
from biasray.bias.crossed import Crossed, crossed, refuse_unlike
from biasray.bias.task import Task, prepare
from biasray.data.dataset import DataSet, has_label
from biasray.data.labelling import read_csv, refuse_twice
from biasray.engine import cluster
from biasray.engine.cells import run_cells
from biasray.experiment import SCALES, Compute, Experiment, Scale, Training, resolved
from biasray.report import cross_page, cross_rows
from biasray.report.cross_page import Shown
from biasray.report.cross_rows import ALL, Answered
from pipelines.cli import about, run
from pipelines.place import Placed, claim, flat, own_folder, refuse_relative, refuse_temporary
from pipelines.progress import Progress
from pipelines.tracking import Tracked, metric, start

FILES = ("report.html", "results.json")


@dataclass(frozen=True, kw_only=True)
class Config(Placed, Tracked):
    """Test classifiers on every data set, by groups: what an average hides is said first.

    Writes results.json and report.html. The same command again goes on where it stopped.
    """

    data: tuple[str, ...]
    """Data sets to test on: folders or URIs of imported ones, or built-in ones, of the same size of images."""
    train: tuple[str, ...] = ()
    """Data sets to train a classifier on each. Images of their training splits are never tested on."""
    predictions: tuple[str, ...] = ()
    """Classifiers of others, NAME=FILE: a CSV with columns `file` (ids of images of any of the data sets) and the target."""
    target: str | None = None
    """What is told from an image. Default: the first data set's own."""
    attributes: tuple[str, ...] = ("race", "age")
    """By which, beside the target, images are grouped, where a data set has them: by each, and by all combinations."""
    fewest: int = 30
    """Images that a group must have to be looked at."""
    training: Training = Training()
    compute: Compute = Compute()
    seeds: int | None = None
    """Trainings on each data set. Default: from the scale."""
    seed: int = 0
    """The first seed; the others follow it."""
    scale: Scale = "laptop"
    """Fills what is left open: smoke 2 seeds x 2 epochs, laptop 3 x 20, paper 3 x 100."""


class Asked(NamedTuple):
    """What a command asks for, with nothing left to refuse."""

    target: str
    attributes: tuple[str, ...]  # the target before all others
    tested: Mapping[str, DataSet]
    learnt: Mapping[str, Crossed]  # by classifier
    values: tuple[str, ...]  # of the target, in the order in which classifiers know them
    cells: list[Experiment]  # called as the classifier is
    others: list[Answered]  # whose answers are there


def main(config: Config) -> str:
    """Train, test and judge; returns the folder of the results."""
    asked = _asked(config)
    cells = asked.cells
    answers = [storage.checksum(storage.read(text.partition("=")[2])) for text in config.predictions]
    sets = {called: dataset.checksum for called, dataset in asked.tested.items()}
    judged = storage.fingerprint([sets, config.predictions, answers, asked.attributes, config.fewest])
    fingerprint = storage.fingerprint([*(e.fingerprint() for e in cells), judged])
    name = own_folder(config, f"cross-{fingerprint}")
    out = storage.absolute(name)  # workers have other working directories
    mine = [{**dataclasses.asdict(e), "hash": e.fingerprint()} for e in cells]
    claim(out, [*mine, {"data": config.data, "predictions": config.predictions, "fewest": config.fewest, "hash": judged}])
    records = start(config.tracking, f"cross audit {asked.target}", fingerprint, flat(dataclasses.asdict(config)))
    print(f"{asked.target} on {', '.join(asked.tested)}: {len(cells)} trainings\nout: {name}\n")
    folders = [storage.join(out, "cells", f"{e.called} {e.seed}".replace(" ", "-")) for e in cells]
    of = [asked.learnt[e.called].dataset for e in cells]
    with Progress() as progress:
        lost = run_cells(cells, of, folders, config.compute, storage.join(out, "ray"), progress)
    failed = [f"{cells[k].called}, seed {cells[k].seed}: {said}" for k, said in lost.items()]
    whole = {e.called for e in cells} - {cells[k].called for k in lost}
    found = [*(t for called in asked.learnt if called in whole for t in _tested(called, asked, folders)), *asked.others]
    rows = cross_rows.rows(found, asked.target, asked.attributes, config.fewest)
    if found:
        made = [
            storage.read_json(storage.join(f, cell.DONE))["made"]
            for e, f in zip(cells, folders, strict=True)
            if e.called in whole
        ]
        told = about(made)
        storage.write_json(storage.join(out, "results.json"), {"about": told, "rows": rows})
        page = cross_page.render(rows, _shown(config, asked, found), failed, told)
        storage.write(storage.join(out, "report.html"), page.encode())
        _keep(found, asked, out)
        print(f"{cross_page.text(rows)}\n\n{name}/report.html, results.json and answers/ hold the rest.")
    if records:
        means = {metric(r["method"], r["data"], r["metric"]): r["value"] for r in rows if r["group"] == ALL}
        print(records.close(means, out, ["config.json", *(FILES if found else [])], bool(failed)))
    if failed:
        raise ValueError("\n".join([*failed, "What failed is not shown; the same command tries it again."]))
    return out


def _asked(config: Config) -> Asked:
    """Raises ValueError for what makes no sense, or what the data cannot give."""
    refuse_temporary(config)
    for place in (*config.data, *config.train):
        if place not in data.built_in():
            refuse_relative("--data", place)
    if not config.data:
        raise ValueError("Give --data one data set or more to test on.")
    if not (config.train or config.predictions):
        raise ValueError("Give --train data sets to train classifiers on, or --predictions of others.")
    if config.fewest < 2:
        raise ValueError(f"--fewest must be at least 2, not {config.fewest}.")
    device = cluster.device(config.compute)
    tested = _named({place: data.load(place) for place in config.data})
    target = config.target or next(iter(tested.values())).target
    refuse_unlike([*tested.values()], target)
    others = [t for text in config.predictions for t in _answered(text, tested, target)]
    learnt, cells = dict[str, Crossed](), list[Experiment]()
    seeds = SCALES[config.scale].seeds if config.seeds is None else config.seeds
    if seeds < 1:
        raise ValueError(f"--seeds must be at least 1, not {seeds}.")
    places = list(dict.fromkeys(config.train))
    for place, (name, dataset) in zip(places, _named({p: data.load(p) for p in places}).items(), strict=True):
        made, task = crossed(dataset, tested, target), Task(data=place, target=target, bias="", test="natural")
        each = [
            resolved(task, config.training, made.dataset, "erm", {}, config.scale, seed, device)
            for seed in range(config.seed, config.seed + seeds)
        ]
        called = f"{each[0].network} of {name}"
        learnt[called] = made
        cells += [dataclasses.replace(e, called=called) for e in each]
        cell.build(each[0], prepare(made.dataset, each[0].task, each[0].seed))  # refuses what cannot be had
    values = tuple(sorted(set(next(iter(tested.values())).examples[target]) - {""}))
    return Asked(target, tuple(dict.fromkeys((target, *config.attributes))), tested, learnt, values, cells, others)


def _named(given: Mapping[str, DataSet]) -> dict[str, DataSet]:
    """Data sets by the last part of their place, or by all of it where two have the same."""
    last = [storage.split(place)[1] or place for place in given]
    return {place if last.count(name) > 1 else name: of for (place, of), name in zip(given.items(), last, strict=True)}


def _answered(text: str, tested: Mapping[str, DataSet], target: str) -> list[Answered]:
    """What a classifier of somebody's answered to images of each data set; raises ValueError where it is to none."""
    name, equals, file = text.partition("=")
    if not (name and equals and file):
        raise ValueError(f"--predictions {text} is not NAME=FILE.")
    if not storage.exists(file):
        raise ValueError(f"There is no file {file} for --predictions {text}.")
    table = read_csv(file)
    if absent := [column for column in ("file", target) if column not in table]:
        raise ValueError(f"{file} has no column '{absent[0]}'; it has: {', '.join(table.columns)}.")
    refuse_twice(table["file"], file)
    answer = table.set_index("file")[target]
    values = sorted(set(next(iter(tested.values())).examples[target]) - {""})
    if strange := sorted(set(answer) - {*values, ""}):
        raise ValueError(f"{file}: {target} '{strange[0]}' is none of {', '.join(values)}; write answers as the data sets do.")
    found = []
    for called, dataset in tested.items():
        said = dataset.examples["id"].map(answer).fillna("")
        examples = dataset.examples[has_label(said) & has_label(dataset.examples[target])]
        if len(examples):
            said_1N = said[examples.index].to_numpy(object)[None]
            found.append(Answered(name, called, examples.reset_index(drop=True), said_1N))
    if not found:
        first, example = table["file"].iloc[0], next(iter(tested.values())).examples["id"].iloc[0]
        raise ValueError(f"{file} names no image of these data sets ({first} is none); such is {example}.")
    return found


def _tested(called: str, asked: Asked, folders: list[str]) -> list[Answered]:
    """One trained classifier on each data set."""
    seeds = [cell.predictions(f) for e, f in zip(asked.cells, folders, strict=True) if e.called == called]
    values = np.array(prepare(asked.learnt[called].dataset, asked.cells[0].task, asked.cells[0].seed).targets, object)
    said_SN, found = np.stack([values[table["predicted"]] for table in seeds]), []
    for name, dataset in asked.tested.items():
        mine_N = seeds[0]["id"].str.startswith(f"{name}: ").to_numpy()
        ids = seeds[0]["id"][mine_N].str.removeprefix(f"{name}: ")
        examples = dataset.examples.set_index("id").loc[ids].reset_index()
        found.append(Answered(called, name, examples, said_SN[:, mine_N]))
    return found


def _keep(found: Sequence[Answered], asked: Asked, out: str) -> None:
    """Leave what each classifier says of each image: what was measured of it, for `pipelines.over_time`."""
    for one in found:
        for seed, said_N in enumerate(one.said_SN):
            table = one.examples[["id", asked.target]].rename(columns={"id": "file"}).assign(said=said_N)
            file = f"{one.classifier} {seed} on {one.data}.csv".replace("/", "-").replace(" ", "-")
            storage.write(storage.join(out, "answers", file), table.to_csv(index=False).encode())


def _shown(config: Config, asked: Asked, found: list[Answered]) -> Shown:
    said = []
    for called, made in asked.learnt.items():
        e = next(e for e in asked.cells if e.called == called)
        learnt = int((made.dataset.examples["split"] == "train").sum())
        seeds = sum(e.called == called for e in asked.cells)
        said.append(
            f"{called}: {learnt:,} training images, {e.epochs} epochs, {e.recipe.optimiser} {e.recipe.lr:g}, batch "
            f"{e.recipe.batch}, {seeds} seeds; tested on test splits"
        )
    said += [f"{text}: answers as they were given, to images of any split" for text in config.predictions]
    left_out = [
        f"{n:,} test images of {name} are not shown to {called}, which learnt from the same images"
        for called, made in asked.learnt.items()
        for name, n in made.twins.items()
        if n
    ]
    return Shown(
        target=asked.target,
        values=asked.values,
        classifiers=list(dict.fromkeys(t.classifier for t in found)),
        datasets=[*asked.tested],
        attributes=asked.attributes,
        fewest=config.fewest,
        said=said,
        left_out=left_out,
    )


if __name__ == "__main__":
    run(Config, main)
