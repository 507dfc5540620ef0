"""Compare debiasing methods on one data set with a controlled bias."""

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

import torch

from biasray import cell, data, storage
from biasray.bias.task import Prepared, Task, prepare
from biasray.data.dataset import DataSet
from biasray.experiment import SCALES, Compute, Experiment, Scale, Training, names, resolved
from biasray.report import headline, page, results
from pipelines.cli import about, run
from pipelines.progress import Progress


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
    300,000 images), paper 3 x 100."""
    out: str | None = None
    """Folder or URI of the results. Default: runs/debias-HASH."""


def main(config: Config) -> str:
    """Run a comparison; returns the folder of its results."""
    device = config.compute.start()
    dataset = data.load(config.task.data)
    cells = experiments(config, dataset, device)
    out = config.out or f"runs/debias-{storage.fingerprint([e.fingerprint() for e in cells])}"
    first = prepare(dataset, cells[0].task, config.seed)
    for other in cells[1:]:
        if other.seed != config.seed and other.method == cells[0].method:
            prepare(dataset, other.task, other.seed)  # refuse what cannot be had before any training starts
    claim(out, cells)
    print(plan(cells, dataset, first, out))
    done = []
    for experiment in cells:
        progress = Progress(f"{experiment.method}, seed {experiment.seed}")
        done.append(cell.run(experiment, dataset, folder(out, experiment), device, progress))
        progress.close()
    rows = gather(out, cells, done, first)
    told = about(f"{device}, {torch.get_num_threads()} threads" if device.type == "cpu" else torch.cuda.get_device_name(device))
    storage.write_json(storage.join(out, "results.json"), {"about": told, "rows": rows})
    storage.write(
        storage.join(out, "report.html"), page.render(rows, [dataclasses.asdict(e) for e in cells], done, first, told).encode()
    )
    print(headline.text(rows))
    print(f"\n{out}/report.html and results.json hold the rest.")
    return out


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


def folder(out: str, experiment: Experiment) -> str:
    return storage.join(out, "cells", f"{experiment.method}-{experiment.seed}")


def claim(out: str, cells: list[Experiment]) -> None:
    """Make the out folder this comparison's own, or see that it already is."""
    file = storage.join(out, "config.json")
    mine = json.loads(json.dumps([{**dataclasses.asdict(e), "hash": e.fingerprint()} for e in cells]))
    if not storage.exists(file):
        if storage.names(out):
            raise ValueError(f"{out} is not empty and holds no comparison; give another --out.")
        storage.write_json(file, mine)
        return
    there = storage.read_json(file)
    if [e["hash"] for e in there] == [e["hash"] for e in mine]:
        return
    same = [(a, b) for a in there for b in mine if (a["method"], a["seed"]) == (b["method"], b["seed"])]
    one, other = next(((flat(a), flat(b)) for a, b in same if a["hash"] != b["hash"]), ({}, {}))
    differ = [f"{k} {one.get(k)} there, {other[k]} here" for k in other if k != "hash" and one.get(k) != other[k]]
    said = "; ".join(differ[:3]) or "other methods or seeds"
    raise ValueError(f"{out} holds another comparison ({said}); give another --out.")


def flat(fields: dict[str, Any]) -> dict[str, Any]:
    """Nested fields by their own names."""
    out: dict[str, Any] = {}
    for name, value in fields.items():
        out |= flat(value) if isinstance(value, dict) else {name: value}
    return out


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


def gather(out: str, cells: list[Experiment], done: list[dict[str, Any]], first: Prepared) -> list[results.Row]:
    """Rows of all finished cells; `first` is the prepared task of the first seed."""
    found = []
    for method in dict.fromkeys(e.method for e in cells):
        mine = [(e, d) for e, d in zip(cells, done, strict=True) if e.method == method]
        setting = ", ".join(f"{k}={v}" for k, v in mine[0][0].settings.items())
        predictions = [cell.predictions(folder(out, e)) for e, _ in mine]
        seconds = [d["seconds"] for _, d in mine]
        found.append(results.outcome(method, setting, predictions, first.cells("train"), seconds))
    return results.rows(cells[0].data_name, found, first.targets, first.biases, first.aligned)


if __name__ == "__main__":
    run(Config, main)
