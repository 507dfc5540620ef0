"""How well an audit does: each architecture in turn is audited by the references of the others."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import pandas as pd

from biasray import storage
from biasray.audit import estimators, figures
from biasray.audit.study import PRIVATE, PUBLIC, RESULTS, Fit, sampled
from biasray.engine.audit import file, fit_all
from biasray.report import study_page, study_rows
from pipelines.cli import about
from pipelines.place import Placed, claim, flat, own_folder, refuse_temporary
from pipelines.progress import Progress
from pipelines.references import References, Scored, asked_about, scored, sources
from pipelines.tracking import Tracked, start

DRAWS = 20  # of annotated images, for a baseline
FILES = ("report.html", "results.json", "estimates.parquet")


@final
@dataclass(frozen=True, kw_only=True)
class Study(References, Placed, Tracked):
    """See how well bias is estimated: each architecture in turn is audited by the references of the others.

    Compares estimators with chosen and with random images, and with annotated public images and leaked private ones of the
    same number. Writes report.html, results.json and a table of all estimates. The same command again goes on where it stopped.
    """

    same: tuple[str, ...] = ("East Asian=Asian",)
    """Groups that have another name among the public faces, whose labels the baseline of annotated public images reads."""
    estimators: tuple[str, ...] = ("all",)
    """all, or kernel, local (which is also asked in turn), ridge and stress."""
    budgets: tuple[int, ...] = (10, 20, 40, 80, 100, 300, 1000)
    """Numbers of images to ask about."""
    draws: int = 5
    """Of random images, for the control."""


def study(config: Study) -> str:
    """Returns the folder of the results."""
    refuse_temporary(config)
    zoos, read = sources(config)
    chosen = asked_about(config, zoos)
    names = known(config.estimators)
    renamed(config.same)
    if min(config.budgets, default=0) < 2 or config.draws < 1:
        raise ValueError("--budgets must be numbers of 2 or more, --draws 1 or more.")
    asked = {**dataclasses.asdict(config), "out": None, "storage": None, "tracking": None, "answers": None}
    fingerprint = storage.fingerprint([asked, read, RESULTS])
    name = own_folder(config, f"study-{fingerprint}")
    out = storage.absolute(name)  # workers have other working directories
    claim(out, [{**asked, "read": read, "hash": fingerprint}])
    print(f"{', '.join(f.name for f in chosen)}, {', '.join(names)}\nout: {name}\n")
    found = scored(config, zoos)
    records = start(config.tracking, "study of an audit", fingerprint, flat(dataclasses.asdict(config)))
    budgets = sorted({min(budget, len(found.rows_N)) for budget in config.budgets})
    fits = planned(names, found.pool.about, config.draws)
    with Progress("fits", "fits") as progress:
        failed = fit_all(fits, found.pool, budgets, out, progress)
    if failed:
        if records:
            print(records.close({}, out, ["config.json"], failed=True))
        said = [f"{fits[k].estimator}, {fits[k].held} left out: {sentence}" for k, sentence in failed.items()]
        raise ValueError("\n".join([*said, "What was fitted stays; the same command tries the rest again."]))
    tables = [storage.read_table(file(out, fit)) for fit in fits]
    tables += [sampled(PRIVATE, found.error_RP, found.examples_P, found.pool, budgets, DRAWS)]
    tables += annotated(config, found, budgets)
    estimates = pd.concat(tables, ignore_index=True)
    rows = study_rows.rows(", ".join(config.references), estimates, config.target)
    storage.write(storage.join(out, "estimates.parquet"), storage.parquet(estimates))
    made = about()
    storage.write_json(storage.join(out, "results.json"), {"about": made, "rows": rows})
    storage.write(storage.join(out, "report.html"), study_page.render(rows, estimates, config.target, made).encode())
    print(f"{study_rows.text(rows)}\n\n{name}/report.html, results.json and estimates.parquet hold the rest.")
    if records:
        errors = [r for r in rows if r["metric"] == study_rows.ERROR]
        means = {f"{r['method']}/{r['setting']}/{r['group']}".replace(",", ""): r["value"] for r in errors}
        print(records.close(means, out, ["config.json", *FILES], failed=False))
    return out


def known(given: Sequence[str]) -> list[str]:
    """Names of estimators; raises ValueError for one that there is not."""
    names = list(estimators.found()) if "all" in given else list(dict.fromkeys(given))
    for name in names:
        estimators.known(name)
    return names


def planned(names: Sequence[str], index: pd.DataFrame, draws: int) -> list[Fit]:
    architectures = list(dict.fromkeys(index["network"]))
    chosen = [Fit(held, name, "chosen", 0) for name in names for held in architectures]
    drawn = [Fit(held, name, "random", draw) for name in names for held in architectures for draw in range(draws)]
    in_turn = [Fit(held, "local", "in turn", 0) for held in architectures if "local" in names]
    return [*chosen, *drawn, *in_turn]


def renamed(same: Sequence[str]) -> dict[str, str]:
    """Names of groups among the public faces; raises ValueError for what is no pair of names."""
    if odd := next((text for text in same if "=" not in text), None):
        raise ValueError(f"--same {odd}: give PRIVATE=PUBLIC, such as 'East Asian=Asian'.")
    return dict(text.split("=", 1) for text in same)


def annotated(config: Study, found: Scored, budgets: Sequence[int]) -> list[pd.DataFrame]:
    """Baseline 1, where the public images have the labels for it."""
    examples, mine = found.public.examples.iloc[found.rows_N], found.pool.figures
    names = renamed(config.same)
    here = [f._replace(group=names.get(f.group, f.group), against=names.get(f.against, f.against)) for f in mine]
    try:
        figures.check(here, config.target, examples, config.probes)
    except ValueError as error:
        print(f"There is no baseline of annotated public images: {error}")
        return []
    error_RN = figures.errors(config.target, found.pool.answer_RN, examples)
    table = sampled(PUBLIC, error_RN, examples, found.pool._replace(figures=here), budgets, DRAWS)
    return [table.replace({"figure": dict(zip([f.name for f in here], [f.name for f in mine], strict=True))})]
