"""The part of `pipelines.attribute` that trains on images in which the regions of a confounder are hidden."""

import dataclasses
import math
from collections.abc import Mapping
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from biasray import cell, storage
from biasray.attributing import Learning
from biasray.attribution.confounded import COLUMN, HIDDEN, SHOWN, Sets, sets
from biasray.attribution.hide import Hiding, hidden
from biasray.attribution.regions import pixel_maps
from biasray.bias import label
from biasray.bias.task import Task, prepare
from biasray.data.dataset import DataSet
from biasray.engine import cluster
from biasray.engine.attribute import read_all
from biasray.engine.cells import run_cells
from biasray.experiment import SCALES, Experiment, refuse_unlearn, resolved, variants
from biasray.report import robust_rows
from biasray.report.attribute_page import Robust
from biasray.report.robust_rows import BALANCED, ORIGINAL
from pipelines.progress import Progress

if TYPE_CHECKING:
    from pipelines.attribute import Config


class Plan(NamedTuple):
    dataset: DataSet  # with the column that says whether the confounder shows
    column: str
    target: str
    sets: Sets
    hidings: tuple[Hiding, ...]
    experiments: tuple[Experiment, ...]  # those of the original and the balanced set; hiding changes nothing else
    said: str


def planned(config: "Config", dataset: DataSet) -> Plan:
    """What is to be trained; raises ValueError, before anything is, for what the data cannot give."""
    assert config.confounder is not None
    target = config.target or dataset.target
    if target == config.confounder:
        raise ValueError(f"'{target}' cannot be target and confounder at once; choose two attributes.")
    if not (config.by and config.fill and config.quantiles and config.methods):
        raise ValueError("Give --by, --fill, --quantiles and --methods one value or more each.")
    hidings = tuple(Hiding(by, fill, q) for by, fill, q in product(config.by, config.fill, sorted(set(config.quantiles))))
    if wrong := [q for q in config.quantiles if not 0 < q < 1]:
        raise ValueError(f"--quantiles {wrong[0]:g}: a quantile lies between 0 and 1.")
    named = label.attribute(dataset.examples, target, "target", dataset.attributes)
    if pd.api.types.is_numeric_dtype(named) or named.nunique() != 2:
        raise ValueError(f"--target {target}: what is learnt robustly has two named values; choose another.")
    shown_N = _shown(config, dataset, config.confounder)
    train_N = dataset.examples["split"] == "train"
    share = (shown_N == SHOWN)[train_N & (shown_N != "")].groupby(named).mean()
    carrier = config.carrier or str(share.idxmax())
    if carrier not in set(named):
        raise ValueError(f"--carrier {carrier}: '{target}' has no such value; it has: {', '.join(sorted(set(named)))}.")
    other = next(value for value in sorted(set(named)) if value != carrier)
    made = sets(dataset, target, shown_N, carrier, other, config.most)
    column = f"{config.confounder}{COLUMN}"
    known = dataset.examples.assign(**{column: shown_N})
    checksum = storage.fingerprint([dataset.checksum, shown_N.tolist()])
    experiments = tuple(e for of in (made.biased, made.balanced) for e in _experiments(config, of, target, column))
    for of, e in ((made.biased, experiments[0]), (made.balanced, experiments[-1])):
        cell.build(e, prepare(of, e.task, e.seed))  # refuses what cannot be had before anything is trained
    said = "; ".join(
        f"{called}: " + ", ".join(f"{n:,} {t} {'with' if s == SHOWN else 'without'}" for (t, s), n in numbers.items())
        for called, numbers in made.numbers.items()
    )
    whole = dataclasses.replace(dataset, examples=known, checksum=checksum)
    e, learnt = experiments[0], sum(made.numbers["biased"].values())
    steps = f"{e.epochs * math.ceil(learnt / e.recipe.batch):,} steps in {e.epochs} epochs of batches of {e.recipe.batch}"
    return Plan(whole, column, target, made, hidings, experiments, f"{said} {config.confounder}; {steps}.")


def _shown(config: "Config", dataset: DataSet, confounder: str) -> pd.Series:
    """Of each example whether the confounder shows, does not, or is not known or neither ('')."""
    column = label.attribute(dataset.examples, confounder, "confounder", dataset.attributes)
    if config.shows is None:
        if pd.api.types.is_numeric_dtype(column) or column.nunique() != 2:
            raise ValueError(f"--confounder {confounder} has more than two values: say by --shows which count as showing it.")
        shows_R = (column == column.value_counts().index[-1]).to_numpy()
    else:
        shows_R = label.matches(column, config.shows, f"--shows {config.shows}")
    hides_R = ~shows_R if config.hides is None else label.matches(column, config.hides, f"--hides {config.hides}")
    if (shows_R & hides_R).any():
        raise ValueError(f"--shows {config.shows} and --hides {config.hides} both hold some values of {confounder}; part them.")
    known_R = pd.Series(np.select([shows_R, hides_R], [SHOWN, HIDDEN], ""), column.index, name=confounder)
    return known_R.reindex(dataset.examples.index, fill_value="")


def _experiments(config: "Config", dataset: DataSet, target: str, column: str) -> list[Experiment]:
    """Each method with every seed, on one set."""
    task = Task(data=config.data, target=target, bias=column, validation="balanced", test="balanced")
    chosen, device = variants(config.methods), cluster.device(config.compute)
    refuse_unlearn(task, [variant.method for variant in chosen.values()])
    seeds = SCALES[config.scale].seeds if config.seeds is None else config.seeds
    if seeds < 1:
        raise ValueError(f"--seeds must be at least 1, not {seeds}.")
    return [
        dataclasses.replace(
            resolved(task, config.training, dataset, variant.method, variant.settings, config.scale, seed, device),
            called=called,
        )
        for called, variant in chosen.items()
        for seed in range(config.seed, config.seed + seeds)
    ]


def trained(config: "Config", plan: Plan, learning: Learning, folder: str, out: str) -> tuple[Robust | None, list[str]]:
    """Train on every set. Where a training fails there is a sentence for it and no comparison; what is done stays."""
    biased = _at_hand(plan.sets.biased)
    everything = np.arange(len(biased.examples))
    train_N = (biased.examples["split"] == "train").to_numpy()
    scratch = storage.join(out, "ray")
    with Progress("mapped to be hidden", "images") as progress:
        heard = progress.counted(int(train_N.sum()))
        rows_R = everything[train_N]
        read = read_all(learning, folder, biased, rows_R, config.confidence, config.compute, scratch, heard)
    map_NHW = np.zeros((len(everything), learning.grid.side, learning.grid.side))
    map_NHW[train_N] = pixel_maps(read.region_NAA.astype(np.float64), learning.grid)
    datasets = {ORIGINAL: biased, BALANCED: plan.sets.balanced}
    datasets |= {str(how): hidden(biased, map_NHW, how) for how in plan.hidings}
    cells: list[tuple[str, Experiment]] = []
    for setting, dataset in datasets.items():
        cells += [(setting, e) for e in _experiments(config, dataset, plan.target, plan.column)]
    folders = [storage.join(out, "cells", *(x.replace(" ", "-") for x in (s, f"{e.called} {e.seed}"))) for s, e in cells]
    with Progress() as progress:
        experiments, of = [e for _, e in cells], [datasets[setting] for setting, _ in cells]
        lost = run_cells(experiments, of, folders, config.compute, scratch, progress)
    failed = [f"{cells[k][1].called}, {cells[k][0]}, seed {cells[k][1].seed}: {said}" for k, said in lost.items()]
    if failed:
        return None, failed
    found, scores = dict[tuple[str, str], list[pd.DataFrame]](), dict[str, list[float]]()
    for (setting, e), place in zip(cells, folders, strict=True):
        found.setdefault((e.called, setting), []).append(cell.predictions(place))
        if e.called == experiments[0].called:
            history = storage.read_json(storage.join(place, cell.DONE))["history"]
            scores.setdefault(setting, []).append(history[-1]["worst_group"])
    chosen = best(plan.hidings, {setting: float(np.mean(each)) for setting, each in scores.items()})
    prepared = prepare(biased, experiments[0].task, experiments[0].seed)
    rows = robust_rows.rows(biased.name, found, prepared.targets)
    shown = {setting: datasets[setting].take(rows_R[:6]) for setting in (ORIGINAL, *chosen.values())}
    assert config.confounder is not None
    return Robust(rows, plan.target, prepared.targets, config.confounder, plan.said, chosen, shown), []


def _at_hand(dataset: DataSet) -> DataSet:
    """With its images in memory, where that has much room for them: they are read for every way to hide."""
    if dataset.size > cluster.memory() / 8:
        return dataset
    return dataclasses.replace(dataset, store=dataset.take(np.arange(len(dataset.examples))))


def best(hidings: tuple[Hiding, ...], score: Mapping[str, float]) -> dict[str, str]:
    """By kind of hiding the setting with the best worst group on validation."""
    kinds: dict[str, list[str]] = {}
    for how in hidings:
        kinds.setdefault(f"{how.by} {how.fill}", []).append(str(how))
    return {kind: max(settings, key=lambda s: score[s]) for kind, settings in kinds.items()}
