"""Compare debiasing methods on one data set with a controlled bias."""

import dataclasses
import json
from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Any

from biasray import cell, data, storage
from biasray.bias.task import Prepared, Task, prepare
from biasray.data.dataset import DataSet
from biasray.engine import cluster
from biasray.engine.cells import run_cells
from biasray.experiment import SCALES, Compute, Experiment, Scale, Training, names, resolved
from biasray.report import discovery, headline, page, results, thumbnails
from pipelines.cli import about, run
from pipelines.place import claim, flat, refuse_relative
from pipelines.progress import Progress
from pipelines.tracking import start

FILES = ("report.html", "results.json")


@dataclass(frozen=True, kw_only=True)
class Config:
    """Compare debiasing methods on one data set with a controlled bias.

    Trains every method with several seeds, tests each once, and writes results.json (every figure with its
    intervals), report.html, and a folder per method and seed. The same command again goes on where it stopped.
    """

    task: Task = Task()
    training: Training = Training()
    compute: Compute = Compute()
    methods: tuple[str, ...] = ("erm", "group-dro", "lff", "jtt")
    """Methods to compare, or all."""
    settings: str | None = None
    """Fields of the methods' Configs as JSON, such as '{"jtt": {"copies": 20}}', or the name of a file with it."""
    seeds: int | None = None
    """Trainings of each method. Default: from the scale."""
    seed: int = 0
    """The first seed; the others follow it."""
    scale: Scale = "laptop"
    """Fills what is left open: smoke 2 seeds x 2 epochs, laptop 3 x 20 (fewer where 20 epochs would show more than
    700,000 images), paper 3 x 100."""
    out: str | None = None
    """Folder or URI of the results. Default: runs/debias-HASH."""
    tracking: str | None = None
    """MLflow: sqlite:///FILE, http://HOST:PORT, or none. Default: MLFLOW_TRACKING_URI, else sqlite:///mlflow.db."""


def main(config: Config) -> str:
    """Run a comparison; returns the folder of its results."""
    refuse_relative("--out", config.out)
    if config.task.data not in data.built_in():
        refuse_relative("--data", config.task.data)
    device = cluster.device(config.compute)
    dataset = data.load(config.task.data)
    cells = experiments(config, dataset, device)
    fingerprint = storage.fingerprint([e.fingerprint() for e in cells])
    name = config.out or f"runs/debias-{fingerprint}"
    out = storage.absolute(name)  # workers have other working directories
    first = prepare(dataset, cells[0].task, config.seed)
    for other in cells[1:]:
        if other.seed != config.seed and other.method == cells[0].method:
            prepare(dataset, other.task, other.seed)  # refuse what cannot be had before any training starts
    claim(out, cells)
    task = cells[0].task
    called = f"debias {dataset.name}: {task.target} from {task.bias}, agreement {task.agreement or 'as it is'}"
    records = start(config.tracking, called, fingerprint, flat(dataclasses.asdict(config)))
    print(plan(cells, dataset, first, name))
    folders = [storage.join(out, "cells", f"{e.method}-{e.seed}") for e in cells]

    def record(number: int) -> None:
        if records:
            e, folder = cells[number], folders[number]
            done = storage.read_json(storage.join(folder, cell.DONE))
            records.cell(f"{e.method}, seed {e.seed}", flat(dataclasses.asdict(e)), e.fingerprint(), done, folder)

    with Progress() as progress:
        failed = run_cells(cells, dataset, folders, config.compute, storage.join(out, "ray"), progress, record)
    rows = conclude(out, cells, folders, first, dataset, {cells[number].method for number in failed})
    if rows:
        print(headline.text(rows))
        print(f"\n{name}/report.html and results.json hold the rest.")
    if records:
        means = {f"{r['method']}/{r['metric']}": r["value"] for r in rows if r["group"] == "all"}
        print(records.close(means, out, ["config.json", *(FILES if rows else [])], bool(failed)))
    if failed:
        said = [f"{cells[number].method}, seed {cells[number].seed}: {sentence}" for number, sentence in failed.items()]
        raise ValueError("\n".join([*said, "Of methods that failed nothing is shown; the same command tries them again."]))
    return out


def conclude(
    out: str, cells: Sequence[Experiment], folders: Sequence[str], first: Prepared, dataset: DataSet, failed: Set[str]
) -> list[results.Row]:
    """Write results.json and report.html of the methods that were trained with all their seeds; returns their rows.

    `first` is the prepared task of the first seed.
    """
    whole = [(e, folder) for e, folder in zip(cells, folders, strict=True) if e.method not in failed]
    if not whole:
        return []
    done = [storage.read_json(storage.join(folder, cell.DONE)) for _, folder in whole]
    found = []
    for method in dict.fromkeys(e.method for e, _ in whole):
        mine = [(e, folder, d) for (e, folder), d in zip(whole, done, strict=True) if e.method == method]
        setting = ", ".join(f"{k}={v}" for k, v in mine[0][0].settings.items())
        predictions = [cell.predictions(folder) for _, folder, _ in mine]
        found.append(results.outcome(method, setting, predictions, first.cells("train"), [d["seconds"] for *_, d in mine]))
    rows = results.rows(cells[0].data_name, found, first.targets, first.biases, first.aligned)
    for one in found:
        of = {"data": cells[0].data_name, "method": one.method, "setting": one.setting, "seconds": one.seconds}
        histories = [d["history"] for (e, _), d in zip(whole, done, strict=True) if e.method == one.method]
        rows += discovery.rows(of, histories, one.train_TB)
    told = about([d["made"] for d in done])
    storage.write_json(storage.join(out, "results.json"), {"about": told, "rows": rows})
    pictures = cell.examples(dataset, first, thumbnails.EACH)
    fields = [dataclasses.asdict(e) for e, _ in whole]
    html = page.render(rows, fields, done, first, pictures, dataset.set_aside, sorted(failed), told)
    storage.write(storage.join(out, "report.html"), html.encode())
    return rows


def experiments(config: Config, dataset: DataSet, device: Any) -> list[Experiment]:
    """The cells of the comparison: every method with every seed."""
    seeds = SCALES[config.scale].seeds if config.seeds is None else config.seeds
    if seeds < 1:
        raise ValueError(f"--seeds must be at least 1, not {seeds}.")
    chosen = names(config.methods)
    given = read_settings(config.settings)
    for name in given:
        if name not in chosen:
            raise ValueError(f"--settings has fields for '{name}', which is not among --methods.")
    return [
        resolved(config.task, config.training, dataset, method, given.get(method, {}), config.scale, seed, device)
        for method in chosen
        for seed in range(config.seed, config.seed + seeds)
    ]


def read_settings(given: str | None) -> dict[str, dict[str, Any]]:
    """Method -> fields, from JSON text or from a file of it."""
    if given is None:
        return {}
    if not given.lstrip().startswith("{") and not storage.exists(given):
        raise ValueError(f"There is no settings file {given}.")
    try:
        found = json.loads(given) if given.lstrip().startswith("{") else storage.read_json(given)
    except json.JSONDecodeError as error:
        raise ValueError(f"--settings {given} is not JSON: {error}.") from error
    if not isinstance(found, dict) or not all(isinstance(fields, dict) for fields in found.values()):
        raise ValueError(f'--settings {given} is not method -> fields, such as {{"jtt": {{"copies": 20}}}}.')
    return found


def plan(cells: list[Experiment], dataset: DataSet, prepared: Prepared, out: str) -> str:
    """What is about to happen, in full."""
    first, methods = cells[0], list(dict.fromkeys(e.method for e in cells))
    task = ", ".join(f"{k} {v}" for k, v in vars(first.task).items() if v not in (None, ()))
    lines = [
        f"{dataset.name}: {', '.join(f'{len(t):,} {split}' for split, t in prepared.tables.items())} examples",
        f"task: {task}",
        f"network {first.network}, {first.precision}, seeds {sorted({e.seed for e in cells})}, keep {first.select}",
    ]
    for method in methods:
        e = next(e for e in cells if e.method == method)
        fields = ", ".join(f"{k} {v}" for k, v in e.settings.items()) or "no settings of its own"
        lines.append(f"{method}: {fields}; {e.epochs} epochs, {e.recipe.optimiser} {e.recipe.lr:g}, batch {e.recipe.batch}")
    return "\n".join([*lines, f"out: {out}\n"])


if __name__ == "__main__":
    run(Config, main)
