"""Learn one attribute of faces and unlearn another: what it costs, and whether it is gone (JLU)."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from biasray import cell, data, storage
from biasray.bias.extreme import BALANCED, BIN, Sets, divided
from biasray.bias.task import Task, prepare
from biasray.data.dataset import DataSet
from biasray.engine import cluster
from biasray.engine.cells import run_cells
from biasray.experiment import SCALES, Compute, Experiment, Scale, Training, resolved
from biasray.methods import jlu
from biasray.report import unlearn_page, unlearn_rows
from biasray.report.results import Row
from biasray.report.unlearn_page import Shown
from biasray.unlearning import duel, read
from biasray.weights.embedding import plane
from pipelines.cli import about, run
from pipelines.place import Placed, claim, flat, own_folder, refuse_relative, refuse_temporary
from pipelines.progress import Progress
from pipelines.tracking import Tracked, metric, start

FILES = ("report.html", "results.json")


@dataclass(frozen=True, kw_only=True)
class Config(Placed, Tracked):
    """Learn one attribute and unlearn another, from a set in which the two are extremely confounded.

    Trains JLU with each alpha and several seeds, tests each once on a balanced and on the complementary set, and has fresh
    probes read the attribute from the representations. Writes results.json, report.html, and a folder per alpha and seed. The
    same command again goes on where it stopped.
    """

    data: str
    """Folder or URI of an imported data set, or a built-in one."""
    target: str = "age"
    """Attribute to learn; numbers are put into bins."""
    unlearn: tuple[str, ...] = ("gender",)
    """Attributes to unlearn; the sets are made by the first, and what is left of it is judged."""
    sets: Sets = Sets()
    alpha: tuple[float, ...] = (0.0, 0.4, 1.0)
    """How much confusion counts beside the target; changes are told from the first."""
    enough: float = jlu.Config().enough
    """An attribute is learnt for now where its loss is this share of a guess's."""
    most: int = jlu.Config().most
    """Times that an attribute is learnt in a step, at most."""
    routing: Literal["alvi", "printed"] = jlu.Config().routing
    """alvi: the attribute's loss moves its head alone, confusion the representation alone; printed: both move both."""
    first: int = 10
    """Epochs before, in which the target is learnt and nothing unlearnt: from scratch nothing may be learnt at all."""
    training: Training = Training()
    compute: Compute = Compute()
    seeds: int | None = None
    """Trainings of each alpha. Default: from the scale."""
    seed: int = 0
    """The first seed; the others follow it."""
    scale: Scale = "laptop"
    """Fills what is left open: smoke 2 seeds x 2 epochs, laptop 3 x 20, paper 3 x 100."""


def main(config: Config) -> str:
    """Train and judge; returns the folder of the results."""
    refuse_temporary(config)
    if config.data not in data.built_in():
        refuse_relative("--data", config.data)
    if not config.unlearn or not config.alpha:
        raise ValueError("Give --unlearn one attribute or more, and --alpha one number or more.")
    if config.target in config.unlearn:
        raise ValueError(f"'{config.target}' cannot be learnt and unlearnt at once; choose other attributes.")
    device = cluster.device(config.compute)
    dataset = divided(data.load(config.data), config.target, config.unlearn[0], config.sets)
    cells = experiments(config, dataset, device)
    prepared = prepare(dataset, cells[0].task, cells[0].seed)
    cell.build(cells[0], prepared)  # refuses a network that does not fit before anything is trained
    fingerprint = storage.fingerprint([e.fingerprint() for e in cells])
    name = own_folder(config, f"unlearn-{fingerprint}")
    out = storage.absolute(name)  # workers have other working directories
    claim(out, [{**dataclasses.asdict(e), "hash": e.fingerprint()} for e in cells])
    called = f"unlearn {dataset.name}: {', '.join(config.unlearn)} from {config.target}"
    records = start(config.tracking, called, fingerprint, flat(dataclasses.asdict(config)))
    tested = prepared.tables["test"]["set"].value_counts()
    sizes = [f"{len(prepared.tables['train']):,} to learn from", *(f"{n:,} {part}" for part, n in tested.items())]
    print(f"{dataset.name}: {', '.join(sizes)}")
    print(f"{len(cells)} trainings, {cells[0].network}, {config.first + cells[0].epochs} epochs\nout: {name}\n")
    folders = [storage.join(out, "cells", f"{e.called.replace(' ', '-')}-{e.seed}") for e in cells]

    def record(number: int) -> None:
        if records:
            e, folder = cells[number], folders[number]
            done = storage.read_json(storage.join(folder, cell.DONE))
            records.cell(f"{e.called}, seed {e.seed}", flat(dataclasses.asdict(e)), e.fingerprint(), done, folder)

    with Progress() as progress:
        failed = run_cells(cells, dataset, folders, config.compute, storage.join(out, "ray"), progress, record)
    lost = {cells[k].called for k in failed}
    whole = [(e, folder) for e, folder in zip(cells, folders, strict=True) if e.called not in lost]
    rows = judged(config, dataset, whole, sorted(lost), out) if whole else []
    if rows:
        print(f"{unlearn_rows.text(rows)}\n\n{name}/report.html and results.json hold the rest.")
    if records:
        means = {metric(r["method"], r["setting"], r["metric"]): r["value"] for r in rows}
        print(records.close(means, out, ["config.json", *(FILES if rows else [])], bool(failed)))
    if failed:
        said = [f"{cells[k].called}, seed {cells[k].seed}: {sentence}" for k, sentence in failed.items()]
        raise ValueError("\n".join([*said, "Of an alpha that failed nothing is shown; the same command tries it again."]))
    return out


def experiments(config: Config, dataset: DataSet, device: torch.device) -> list[Experiment]:
    """The cells: each alpha with every seed."""
    seeds = SCALES[config.scale].seeds if config.seeds is None else config.seeds
    if seeds < 1:
        raise ValueError(f"--seeds must be at least 1, not {seeds}.")
    target, attribute = config.target + BIN, config.unlearn[0]
    task = Task(data=config.data, target=target, bias=attribute, unlearn=config.unlearn, test="natural")
    cells = []
    for alpha in {f"{alpha:g}": alpha for alpha in config.alpha}.values():
        settings = {"alpha": alpha, **{name: getattr(config, name) for name in ("enough", "most", "routing", "first")}}
        for seed in range(config.seed, config.seed + seeds):
            made = resolved(task, config.training, dataset, "jlu", settings, config.scale, seed, device)
            cells.append(dataclasses.replace(made, called=f"alpha {alpha:g}"))
    return cells


def judged(
    config: Config, dataset: DataSet, whole: Sequence[tuple[Experiment, str]], failed: Sequence[str], out: str
) -> list[Row]:
    """Write results.json, report.html, and beside each network what it says; returns the rows."""
    by_alpha: dict[str, list[tuple[Experiment, str]]] = {}
    for e, folder in whole:
        by_alpha.setdefault(e.called, []).append((e, folder))
    prepared = prepare(dataset, whole[0][0].task, whole[0][0].seed)
    tables, feature_ND = dict[str, list[pd.DataFrame]](), dict[str, NDArray[np.float32]]()
    for called, mine in by_alpha.items():
        reads = [read(e, dataset, folder) for e, folder in mine]
        for (_, folder), one in zip(mine, reads, strict=True):
            storage.write(storage.join(folder, "read.parquet"), storage.parquet(one.table))
        tables[called], feature_ND[called] = [one.table for one in reads], reads[0].feature_ND
    rows = unlearn_rows.rows(dataset.name, tables, prepared.biases)
    done = {called: [storage.read_json(storage.join(f, cell.DONE)) for _, f in mine] for called, mine in by_alpha.items()}
    seconds = {called: float(np.mean([d["seconds"] for d in each])) for called, each in done.items()}
    rows = [{**row, "seconds": seconds[row["method"]]} for row in rows]
    balanced_N = (prepared.tables["test"]["set"] == BALANCED).to_numpy()
    first = whole[0][0]
    shown = Shown(
        examples=dataset.examples,
        unlearning=tuple(called for called, mine in by_alpha.items() if mine[0][0].settings["alpha"] > 0),
        target=config.target + BIN,
        attribute=config.unlearn[0],
        values=prepared.biases,
        place_N2=planes({called: one_ND[balanced_N] for called, one_ND in feature_ND.items()}, first.seed),
        value_N=prepared.tables["test"]["bias"].to_numpy()[balanced_N],
        duel_ST2={called: np.stack([duel(folder) for _, folder in mine]) for called, mine in by_alpha.items()},
        epochs=config.first + first.epochs,
        settings={called: _said(mine[0][0]) for called, mine in by_alpha.items()},
        seconds=seconds,
    )
    told = about([d["made"] for each in done.values() for d in each])
    storage.write_json(storage.join(out, "results.json"), {"about": told, "rows": rows})
    storage.write(storage.join(out, "report.html"), unlearn_page.render(rows, shown, failed, told).encode())
    return rows


def planes(feature_ND: Mapping[str, NDArray[np.float32]], seed: int) -> dict[str, NDArray[np.float64]]:
    """Representations in a plane, by method; of a handful nothing."""
    placed = {called: plane(torch.from_numpy(one_ND), seed) for called, one_ND in feature_ND.items()}
    return {called: place_N2 for called, place_N2 in placed.items() if place_N2 is not None}


def _said(e: Experiment) -> str:
    settings = ", ".join(f"{k} {v}" for k, v in e.settings.items())
    return f"{settings}; {e.network}, {e.epochs} epochs, {e.recipe.optimiser} {e.recipe.lr:g}, batch {e.recipe.batch}"


if __name__ == "__main__":
    run(Config, main)
