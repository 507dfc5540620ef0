"""Compare debiasing methods on one data set with a controlled bias."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from biasray import cell, data, methods, storage
from biasray.bias.agreement import of_ratio
from biasray.bias.task import Prepared, Question, Task, prepare
from biasray.data.dataset import DataSet
from biasray.engine import cluster
from biasray.engine.cells import run_cells
from biasray.experiment import SCALES, Compute, Experiment, Scale, Training, refuse_unlearn, resolved, variants
from biasray.report.results import Row
from pipelines.cli import run
from pipelines.conclude import FILES, Comparison, conclude, overview
from pipelines.place import Placed, claim, flat, own_folder, refuse_relative, refuse_temporary
from pipelines.progress import Progress
from pipelines.tracking import Tracked, start


@dataclass(frozen=True, kw_only=True)
class Config(Placed, Tracked):
    """Compare debiasing methods on one data set with a controlled bias.

    Trains every method with several seeds, tests each once, and writes results.json (every figure with its
    intervals), report.html, and a folder per method and seed. The same command again goes on where it stopped.
    """

    task: Question = Question()
    agreement: tuple[float, ...] = ()
    """Share of training examples whose bias value goes with their target; of several, each has a folder and a report.
    Default: the data as they are."""
    conflict_ratio: tuple[float, ...] = ()
    """The same as a ratio: training examples that contradict the bias to those that go with it (0.25: agreement 0.8)."""
    training: Training = Training()
    compute: Compute = Compute()
    methods: tuple[str, ...] = ("erm", "group-dro", "lff", "jtt")
    """Methods to compare, or all; poisoner:p=2,gamma=0 is one with other settings. 'oracle' is told the bias and shows what
    could be found of it."""
    settings: str | None = None
    """Fields of the methods' Configs as JSON, such as '{"jtt": {"copies": 20}}', or the name of a file with it."""
    seeds: int | None = None
    """Trainings of each method. Default: from the scale."""
    seed: int = 0
    """The first seed; the others follow it."""
    scale: Scale = "laptop"
    """Fills what is left open: smoke 2 seeds x 2 epochs, laptop 3 x 20 (fewer where 20 epochs would show more than
    700,000 images), paper 3 x 100."""


def main(config: Config) -> str:
    """Run a comparison; returns the folder of its results."""
    refuse_temporary(config)
    if config.task.data not in data.built_in():
        refuse_relative("--data", config.task.data)
    device = cluster.device(config.compute)
    dataset = data.load(config.task.data)
    cells = experiments(config, dataset, device)
    fingerprint = storage.fingerprint([e.fingerprint() for e in cells])
    name = own_folder(config, f"debias-{fingerprint}")
    out = storage.absolute(name)  # workers have other working directories
    parts = at_each_level(cells, dataset, out)
    claim(out, [{**dataclasses.asdict(e), "hash": e.fingerprint()} for e in cells])
    task = cells[0].task
    called = f"debias {dataset.name}: {task.target} from {task.bias}, {', '.join(part.level for part in parts)}"
    records = start(config.tracking, called, fingerprint, flat(dataclasses.asdict(config)))
    print(plan(parts, dataset, name))
    places = [(part, e, folder) for part in parts for e, folder in zip(part.cells, part.folders, strict=True)]

    def record(number: int) -> None:
        if records:
            part, e, folder = places[number]
            done = storage.read_json(storage.join(folder, cell.DONE))
            records.cell(part.named(e), flat(dataclasses.asdict(e)), e.fingerprint(), done, folder)

    folders = [folder for *_, folder in places]
    with Progress() as progress:
        failed = run_cells(cells, dataset, folders, config.compute, storage.join(out, "ray"), progress, record)
    lost = {folders[number] for number in failed}
    rows = [row for part in parts for row in conclude(part, dataset, lost)]
    if rows and len(parts) > 1:
        overview(out, parts, rows)
    if rows:
        print(f"{name}/report.html and results.json hold the rest.")
    if records:
        print(records.close(means(rows), out, ["config.json", *(FILES if rows else [])], bool(failed)))
    if failed:
        said = [f"{part.named(e)}: {failed[number]}" for number, (part, e, _) in enumerate(places) if number in failed]
        raise ValueError("\n".join([*said, "Of methods that failed nothing is shown; the same command tries them again."]))
    return out


def levels(config: Config) -> list[float | None]:
    """Agreements to compare methods at; None for the data as they are."""
    if config.agreement and config.conflict_ratio:
        raise ValueError("Give --agreement or --conflict-ratio, not both: a ratio r is the agreement 1 / (1 + r).")
    ratios = [round(of_ratio(ratio), 6) for ratio in config.conflict_ratio]
    return list(dict.fromkeys([*config.agreement, *ratios])) or [None]


def experiments(config: Config, dataset: DataSet, device: Any) -> list[Experiment]:
    """The cells of the comparison: at each level every method with every seed."""
    seeds = SCALES[config.scale].seeds if config.seeds is None else config.seeds
    if seeds < 1:
        raise ValueError(f"--seeds must be at least 1, not {seeds}.")
    chosen = variants(config.methods)
    refuse_unlearn(config.task, [method for method, _ in chosen.values()])
    given = read_settings(config.settings)
    for name in given:
        if name not in {method for method, _ in chosen.values()}:
            raise ValueError(f"--settings has fields for '{name}', which is not among --methods.")
    cells = []
    for task in [Task(**vars(config.task), agreement=agreement) for agreement in levels(config)]:
        for called, (method, settings) in chosen.items():
            settings = {**given.get(method, {}), **settings}
            for seed in range(config.seed, config.seed + seeds):
                made = resolved(task, config.training, dataset, method, settings, config.scale, seed, device)
                cells.append(dataclasses.replace(made, called=called))
    return cells


def at_each_level(cells: Sequence[Experiment], dataset: DataSet, out: str) -> list[Comparison]:
    """The cells by their agreement; raises ValueError where the data set cannot give one of them, before any is trained."""
    agreements = list(dict.fromkeys(e.task.agreement for e in cells))
    parts = []
    for agreement in agreements:
        mine = [e for e in cells if e.task.agreement == agreement]
        by_seed = {e.seed: prepare(dataset, e.task, e.seed) for e in mine if e.called == mine[0].called}
        refuse_reference(mine, by_seed[mine[0].seed])
        folder = out if len(agreements) == 1 else storage.join(out, f"agreement-{agreement}")
        parts.append(Comparison(folder, mine, by_seed[mine[0].seed], len(agreements) > 1))
    return parts


def refuse_reference(cells: Sequence[Experiment], prepared: Prepared) -> None:
    """Raise ValueError where a method that is told which examples contradict the bias is to learn from data where none do."""
    told = [e.method for e in cells if methods.get(e.method).reference]
    if told and not prepared.aligned:
        raise ValueError(f"{told[0]} needs a bias value that goes with each target: give --align, or leave {told[0]} out.")


def means(rows: Sequence[Row]) -> dict[str, float]:
    """What MLflow shows of the whole run: each metric's mean by method, and by agreement where there are several."""
    several = len({r["agreement"] for r in rows}) > 1
    found = [r for r in rows if r["group"] == "all"]
    return {f"agreement {r['agreement']}/" * several + f"{r['method']}/{r['metric']}": r["value"] for r in found}


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


def plan(parts: Sequence[Comparison], dataset: DataSet, out: str) -> str:
    """What is about to happen, in full."""
    cells = parts[0].cells
    task = ", ".join(f"{k} {v}" for k, v in vars(cells[0].task).items() if v not in (None, ()) and k != "agreement")
    lines = [f"{dataset.name}: {task}"]
    for part in parts:
        sizes = ", ".join(f"{len(t):,} {split}" for split, t in part.prepared.tables.items())
        lines.append(f"{part.level}: {sizes} examples")
    first = cells[0]
    lines.append(f"network {first.network}, {first.precision}, seeds {sorted({e.seed for e in cells})}, keep {first.select}")
    for e in {e.called: e for e in cells}.values():
        fields = ", ".join(f"{k} {v}" for k, v in e.settings.items()) or "no settings of its own"
        rate = f"{e.epochs} epochs, {e.recipe.optimiser} {e.recipe.lr:g}, batch {e.recipe.batch}"
        lines.append(f"{e.called}: {fields}; {rate}")
    return "\n".join([*lines, f"out: {out}\n"])


if __name__ == "__main__":
    run(Config, main)
