"""Search a debiasing method's settings on validation, and test the best once beside the defaults."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from biasray import cell, data, search, space, storage
from biasray.bias.task import Task, prepare
from biasray.data.dataset import DataSet
from biasray.engine import cluster
from biasray.engine.cells import run_cells
from biasray.experiment import SCALES, Compute, Experiment, Scale, Training, refuse_unlearn, resolved
from biasray.report import results, tuning
from biasray.report.results import Row
from biasray.search import INFORMED, Finalist, Goal, Search, Settings, Tried, Way
from pipelines.cli import about, run
from pipelines.place import Placed, claim, flat, own_folder, refuse_relative, refuse_temporary
from pipelines.progress import Progress
from pipelines.tracking import Tracked, start

ENDS = ("default", "tuned")
BEST = "best.json"
FILES = ("report.html", "results.json", BEST)


@dataclass(frozen=True, kw_only=True)
class Config(Placed, Tracked):
    """Search a debiasing method's settings within the ranges that it declares.

    Every trial is judged on validation, the best once more with other seeds; then the winner and the defaults are
    trained with seeds of their own and tested once. Leaves best.json, which `pipelines.debias --settings` takes. The same
    command again goes on where it stopped.
    """

    task: Task = Task()
    training: Training = Training()
    compute: Compute = Compute()
    method: str = "lff"
    """Method whose settings are searched."""
    search: Way = "random"
    """random; asha, which stops two thirds of the trials at each of a few early epochs; or optuna, which learns from trials."""
    objective: Goal = "worst-group"
    """What is to be high on validation: worst-group or group-average, for which validation has every group equally often and
    its bias labels are read; worst-class or accuracy, on validation as biased as training and without its bias labels."""
    trials: int = 50
    """Settings to try; a larger number later goes on from there."""
    finalists: int = 5
    """Best trials that are trained again beside the default, each with as many other seeds as --seeds; the highest mean wins,
    since the best of many trials may owe it to its seed. 1: the best trial wins as it is."""
    seed: int = 100
    """Of the search: all trials share it; finalists have those that follow."""
    seeds: int | None = None
    """Trainings of the winner and of the defaults at the end, with seeds 0, 1, ... Default: from the scale."""
    scale: Scale = "laptop"
    """Fills what is left open, as in pipelines.debias."""


def main(config: Config) -> str:
    """Search, and test what was found; returns the folder of the results."""
    refuse_temporary(config)
    if config.task.data not in data.built_in():
        refuse_relative("--data", config.task.data)
    device = cluster.device(config.compute)
    dataset = data.load(config.task.data)
    searched, seeds = asked(config, dataset, device)
    prepare(dataset, searched.base.task, config.seed)  # refuse what cannot be had before any training starts
    fingerprint = searched.fingerprint()
    name = own_folder(config, f"tune-{fingerprint}")
    out = storage.absolute(name)  # workers have other working directories
    same = {**dataclasses.asdict(searched.base), "search": config.search, "objective": config.objective}
    claim(out, [{**same, "hash": fingerprint}])
    records = start(config.tracking, f"tune {config.method} on {dataset.name}", fingerprint, flat(dataclasses.asdict(config)))
    print(plan(searched, config.trials, name))
    trials, scratch = storage.join(out, "trials"), storage.join(out, "ray")
    try:
        found = attempt("trials", searched, config.trials, dataset, trials, config.compute, scratch)
        finalists = finals(searched, config.finalists, seeds, found, dataset, out, config.compute)
        winner = finalists[0].settings
        ends = (searched.base, searched.trial(winner))
        cells = [dataclasses.replace(end, seed=seed) for end in ends for seed in range(seeds)]
        folders = [storage.join(out, "final", f"{e.seed}-{e.fingerprint()}") for e in cells]
        once = dict(zip(folders, cells, strict=True))  # where the default wins, both ends are the same
        with Progress() as progress:
            failed = run_cells(list(once.values()), dataset, list(once), config.compute, scratch, progress)
        if failed:
            raise ValueError("\n".join([*failed.values(), "So nothing is tested; the same command tries again."]))
    except ValueError:
        if records:
            print(records.close({}, out, ["config.json"], failed=True))
        raise
    rows = conclude(out, searched, found, finalists, cells, folders, dataset)
    print(tuning.text(rows, winner))
    print(f"\n{name}/report.html and results.json hold the rest. To use it: --settings {name}/{BEST}")
    if records:
        for tried in found:
            called, mark = storage.fingerprint(tried.settings), storage.fingerprint([fingerprint, tried.settings])
            scores = [("score", score, epoch) for epoch, score in enumerate(tried.scores)]
            records.part(
                f"trial {called[:8]}", tried.settings, mark, scores, tried.at, storage.join(trials, called), [search.TRIAL]
            )
        means = {f"{r['method']}/{r['metric']}": r["value"] for r in rows if r["group"] == "all"}
        print(records.close(means, out, ["config.json", *FILES], failed=False))
    return out


def asked(config: Config, dataset: DataSet, device: torch.device) -> tuple[Search, int]:
    """The search, and the number of trainings at the end; raises ValueError where it makes no sense."""
    seeds = SCALES[config.scale].seeds if config.seeds is None else config.seeds
    if config.compute.workers > 1:
        raise ValueError("--workers: a trial has one worker; many trials are what a search shares out, so leave it out.")
    for option, number in (("--seeds", seeds), ("--trials", config.trials), ("--finalists", config.finalists)):
        if number < 1:
            raise ValueError(f"{option} must be at least 1, not {number}.")
    if config.seed < seeds:
        raise ValueError(
            f"--seed {config.seed} is also one of the {seeds} final trainings, which the search must not have seen."
        )
    refuse_unlearn(config.task, [config.method])
    task = dataclasses.replace(config.task, validation="balanced" if config.objective in INFORMED else "biased")
    base = resolved(task, config.training, dataset, config.method, {}, config.scale, config.seed, device)
    return Search(base, config.search, config.objective), seeds


def finals(
    searched: Search, number: int, seeds: int, found: Sequence[Tried], dataset: DataSet, out: str, compute: Compute
) -> list[Finalist]:
    """The best of the trials and the default, the one that wins first: by its mean over so many seeds of their own."""
    settings = search.best(searched, found, number)
    if number == 1:
        return [Finalist(settings[0], [])]
    if searched.default not in settings:
        settings.append(searched.default)
    folders = []
    for seed in range(searched.base.seed + 1, searched.base.seed + 1 + seeds):
        again = Search(dataclasses.replace(searched.base, seed=seed), "random", searched.objective)
        folders.append(storage.join(out, "finalists", str(seed)))
        attempt(f"finalists, seed {seed}", again, settings, dataset, folders[-1], compute, storage.join(out, "ray"))
    return search.judged(searched, settings, folders)


def attempt(
    parts: str,
    searched: Search,
    trials: int | Sequence[Settings],
    dataset: DataSet,
    folder: str,
    compute: Compute,
    scratch: str,
) -> list[Tried]:
    """Try so many settings, or these; returns all that the folder then holds, and raises ValueError where one was lost."""
    from biasray.engine.search import run_search  # imports Ray Tune and Optuna, which takes seconds

    with Progress(parts) as progress:
        lost = run_search(searched, trials, dataset, folder, compute, scratch, progress)
    if lost:
        raise ValueError(f"{len(lost)} trials were lost and nothing is tested: {lost[0]} The same command tries them again.")
    return search.all_tried(folder)


def conclude(
    out: str,
    searched: Search,
    found: Sequence[Tried],
    finalists: Sequence[Finalist],
    cells: Sequence[Experiment],
    folders: Sequence[str],
    dataset: DataSet,
) -> list[Row]:
    """Write best.json, results.json and report.html; returns the rows about the defaults and the tuned settings."""
    base, seeds = searched.base, len(cells) // len(ENDS)
    prepared = prepare(dataset, base.task, cells[0].seed)
    done = [storage.read_json(storage.join(folder, cell.DONE)) for folder in folders]
    outcomes = []
    for k, label in enumerate(ENDS):
        mine = range(k * seeds, (k + 1) * seeds)
        setting = ", ".join(f"{name}={value}" for name, value in cells[mine[0]].settings.items())
        predictions, seconds = [cell.predictions(folders[i]) for i in mine], [done[i]["seconds"] for i in mine]
        outcomes.append(results.outcome(label, setting, predictions, prepared.cells("train"), seconds))
    scores = [
        searched.final([searched.score(e) for e in d["history"] if e["stage"] == d["history"][-1]["stage"]]) for d in done
    ]
    n = len(prepared.tables["validation"])
    validated = tuning.rows(base.data_name, outcomes, scores, f"validation {searched.objective.replace('-', ' ')}", n)
    names = (prepared.targets, prepared.biases, prepared.aligned)
    rows = [*validated, *results.rows(base.data_name, outcomes, *names, against=ENDS[0])]
    rows = [{**row, "agreement": base.task.agreement} for row in rows]
    told = about([d["made"] for d in done])
    trials = [
        {
            "settings": t.settings,
            "score": None if t.failure else searched.final(t.scores),
            "epochs": len(t.scores),
            "failure": t.failure,
        }
        for t in search.ranked(searched, found)
        if t.scores or t.failure
    ]
    storage.write_json(storage.join(out, BEST), {base.method: cells[-1].settings})
    judged = [f._asdict() for f in finalists]
    storage.write_json(storage.join(out, "results.json"), {"about": told, "rows": rows, "trials": trials, "finalists": judged})
    how = {"way": searched.way, "objective": searched.objective}
    html = tuning.render(rows, dataclasses.asdict(base), space.ranges(searched.kind), trials, judged, how, told)
    storage.write(storage.join(out, "report.html"), html.encode())
    return rows


def plan(searched: Search, trials: int, out: str) -> str:
    """What is about to happen, in full."""
    base = searched.base
    ranges = [
        f"{name} {r.low:g} to {r.high:g}{' (logarithmic)' if r.log else ''}, default {base.settings[name]}"
        for name, r in space.ranges(searched.kind).items()
    ]
    task = ", ".join(f"{k} {v}" for k, v in vars(base.task).items() if v not in (None, ()))
    return "\n".join(
        [
            f"{base.data_name}: {task}",
            f"{base.method}, {base.network}, {base.precision}, {base.epochs} epochs, batch {base.recipe.batch}",
            *ranges,
            f"{trials} trials, {searched.way} search, by {searched.objective} on validation ({base.task.validation})",
            f"out: {out}\n",
        ]
    )


if __name__ == "__main__":
    run(Config, main)
