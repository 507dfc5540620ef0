"""Estimate the bias of a black box on data that it never sees, from a few answers."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biasray import data, storage
from biasray.audit import estimators, figures
from biasray.audit.figures import Figure, Target
from biasray.audit.study import PRIVATE, PUBLIC, Fit, Pool, sampled
from biasray.data.dataset import DataSet
from biasray.engine.answers import answer_all
from biasray.engine.audit import file, fit_all
from biasray.engine.cells import Status
from biasray.random import rng
from biasray.report import study_rows
from biasray.zoo import store
from pipelines.cli import about, run
from pipelines.place import claim, flat, refuse_relative
from pipelines.progress import Progress
from pipelines.tracking import start

CANDIDATES = 1000  # public images among which are chosen those to ask about
DRAWS = 20  # of annotated images, for a baseline


@dataclass(frozen=True, kw_only=True)
class Study:
    """See how well bias is estimated: each architecture in turn is audited by the references of the others.

    Compares estimators with chosen and with random images, and with annotated public images and leaked private ones of the
    same number. Writes results.json, report.html and a table of all estimates. The same command again goes on where it stopped.
    """

    references: str
    """Folder or URI of a finished zoo that `pipelines.zoo reference` made."""
    private: str
    """Data that bias is judged on: an imported set of faces with age, gender and race, of which no reference saw what is not
    its training split."""
    probes: str
    """Imported public faces to ask about; only the baseline of annotated public images reads their labels."""
    target: Target = "age"
    """What the references predict: age, judged by the mean absolute error in years, or gender, by the error rate."""
    figure: tuple[str, ...] = ()
    """Figures of bias, such as gender=Male-Female or race=Black (against all). Default: those of the paper in the attribute
    that the references vary in."""
    same: tuple[str, ...] = ("East Asian=Asian",)
    """Groups that have another name among the public faces."""
    estimators: tuple[str, ...] = ("all",)
    """all, or kernel, stress and ridge."""
    budgets: tuple[int, ...] = (10, 20, 40, 80, 100, 300, 1000)
    """Numbers of images to ask about."""
    candidates: int = CANDIDATES
    """Public images among which these are chosen, drawn at random."""
    draws: int = 5
    """Of random images, for the control."""
    seed: int = 0
    """Draws the candidates."""
    out: str | None = None
    """Folder or URI of the results. Default: runs/study-HASH."""
    tracking: str | None = None
    """MLflow: sqlite:///FILE, http://HOST:PORT, or none. Default: MLFLOW_TRACKING_URI, else sqlite:///mlflow.db."""


def main(config: Study) -> str:
    return study(config)


def study(config: Study) -> str:
    """Returns the folder of the results."""
    refuse_relative("--out", config.out)
    for option, place in (("--references", config.references), ("--private", config.private), ("--probes", config.probes)):
        if place not in data.built_in():
            refuse_relative(option, place)
    zoo, private, public = storage.absolute(config.references), data.load(config.private), data.load(config.probes)
    index = store.Zoo(zoo).index
    told = asked_figures(config, index, private)
    rows_P, rows_N = unseen(private, index), candidates(public, config.candidates, config.seed)
    budgets = sorted({min(budget, len(rows_N)) for budget in config.budgets})
    if not budgets or budgets[0] < 2 or config.draws < 1:
        raise ValueError("--budgets must be 2 or more, --draws 1 or more.")
    checksum = storage.read_json(storage.join(zoo, store.MANIFEST))["checksum"]
    asked = {**dataclasses.asdict(config), "out": None, "tracking": None}
    fingerprint = storage.fingerprint([asked, checksum, private.checksum, public.checksum])
    name = config.out or f"runs/study-{fingerprint}"
    out = storage.absolute(name)  # workers have other working directories
    claim(out, [{**asked, "zoo": checksum, "hash": fingerprint}])
    records = start(config.tracking, f"study {config.references}", fingerprint, flat(dataclasses.asdict(config)))
    print(f"{len(index):,} references, {', '.join(f.name for f in told)}, {len(rows_N):,} candidates\nout: {name}\n")

    answer_RN, answer_RP = (
        answers(zoo, dataset, rows, config.target, out, called)
        for dataset, rows, called in ((public, rows_N, "public"), (private, rows_P, "private"))
    )
    examples_N, examples_P = public.examples.iloc[rows_N], private.examples.iloc[rows_P]
    error_RP = figures.errors(config.target, answer_RP, examples_P)
    pool = Pool(answer_RN, figures.truth(told, error_RP, examples_P), told, index[["id", "network", "bias"]])
    fits = planned(config, index)
    with Progress("fits", "fits") as progress:
        failed = fit_all(fits, pool, budgets, out, progress)
    tables = [storage.read_table(file(out, fit)) for k, fit in enumerate(fits) if k not in failed]
    tables.append(sampled(PRIVATE, error_RP, examples_P, pool, budgets, DRAWS))
    tables += annotated(config, told, answer_RN, examples_N, pool, budgets)
    estimates = pd.concat(tables, ignore_index=True)
    rows = study_rows.rows(config.references, estimates)
    storage.write(storage.join(out, "estimates.parquet"), storage.parquet(estimates))
    storage.write_json(storage.join(out, "results.json"), {"about": about(), "rows": rows})
    print(f"{study_rows.text(rows)}\n\n{name}/results.json and estimates.parquet hold the rest.")
    if records:
        means = {f"{r['method']}/{r['setting']}/{r['group']}".replace(",", ""): r["value"] for r in rows if "p" not in r}
        print(records.close(means, out, ["config.json", "results.json", "estimates.parquet"], bool(failed)))
    if failed:
        said = [f"{fits[k].estimator}, {fits[k].held} left out: {sentence}" for k, sentence in failed.items()]
        raise ValueError("\n".join([*said, "What was fitted stays; the same command tries the rest again."]))
    return out


def asked_figures(config: Study, index: pd.DataFrame, private: DataSet) -> list[Figure]:
    """The figures of bias; raises ValueError for those that the private data cannot give."""
    given = [figures.figure(text) for text in config.figure]
    told = given or [f for f in figures.published(private.examples) if f.attribute == index["attribute"].iloc[0]]
    if not told:
        raise ValueError(f"Give --figure: the references vary in {index['attribute'].iloc[0]}, for which there is no default.")
    return told


def unseen(private: DataSet, index: pd.DataFrame) -> NDArray[np.int64]:
    """Rows of the private data that no reference was trained on: all of another data set, else what is not for training."""
    rows = np.arange(len(private.examples))
    if private.checksum not in set(index["data"]):
        return rows
    return rows[(private.examples["split"] != "train").to_numpy()]


def candidates(public: DataSet, number: int, seed: int) -> NDArray[np.int64]:
    """Rows of public images, drawn from all of them."""
    drawn = rng(seed, "candidates").permutation(len(public.examples))
    return np.sort(drawn[:number])


def answers(zoo: str, dataset: DataSet, rows: NDArray[np.int64], target: Target, out: str, called: str) -> NDArray[np.float64]:
    """(R, N) what each reference answers; raises ValueError where they do not predict the target."""
    members, done = len(store.Zoo(zoo).index), 0
    with Progress(f"members asked about {called} images", "members") as progress:

        def told(more: int) -> None:
            nonlocal done
            done += more
            progress(Status(members, done, 0, done, members, 0))

        found = answer_all(zoo, dataset, rows, out, told)
    if target not in found:
        raise ValueError(f"The references predict {' and '.join(found)}, not {target}; give --target {next(iter(found))}.")
    return found[target].astype(np.float64)


def planned(config: Study, index: pd.DataFrame) -> list[Fit]:
    """Every fit; raises ValueError for an unknown estimator, and for references of one architecture."""
    names = list(estimators.found()) if "all" in config.estimators else list(dict.fromkeys(config.estimators))
    for name in names:
        estimators.known(name)
    architectures = list(dict.fromkeys(index["network"]))
    if len(architectures) < 2:
        raise ValueError(
            "All references are of one architecture; a study leaves one out, so make a zoo of two --networks or more."
        )
    chosen = [Fit(held, name, "chosen", 0) for name in names for held in architectures]
    drawn = [Fit(held, name, "random", draw) for name in names for held in architectures for draw in range(config.draws)]
    return [*chosen, *drawn]


def annotated(
    config: Study,
    told: Sequence[Figure],
    answer_RN: NDArray[np.float64],
    examples: pd.DataFrame,
    pool: Pool,
    budgets: Sequence[int],
) -> list[pd.DataFrame]:
    """Baseline 1, where the public images have the labels for it."""
    names = dict(text.split("=", 1) for text in config.same)
    here = [f._replace(group=names.get(f.group, f.group), against=names.get(f.against, f.against)) for f in told]
    try:
        figures.check(here, examples, config.probes)
        error_RN = figures.errors(config.target, answer_RN, examples)
    except (ValueError, KeyError) as error:
        print(f"No baseline of annotated public images: {error}")
        return []
    found = sampled(PUBLIC, error_RN, examples, pool._replace(figures=here), budgets, DRAWS)
    return [found.replace({"figure": dict(zip([f.name for f in here], [f.name for f in told], strict=True))})]


if __name__ == "__main__":
    run(Study, main)
