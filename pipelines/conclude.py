"""What a comparison leaves: rows, a report, and where there are several levels of bias an overview of them."""

import dataclasses
from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import final

from biasray import cell, storage
from biasray.bias.task import Prepared
from biasray.data.dataset import DataSet
from biasray.experiment import Experiment
from biasray.report import discovery, headline, levels, page, published, results, thumbnails
from biasray.report.results import Row
from pipelines.cli import about

FILES = ("report.html", "results.json")


@final
@dataclass(frozen=True)
class Comparison:
    """The cells of one level of bias."""

    folder: str
    cells: Sequence[Experiment]
    prepared: Prepared  # with the first seed
    one_of_several: bool

    @property
    def level(self) -> str:
        agreement = self.cells[0].task.agreement
        return "the data as they are" if agreement is None else f"agreement {agreement}"

    @property
    def folders(self) -> list[str]:
        return [storage.join(self.folder, "cells", f"{e.called.replace(' ', '-')}-{e.seed}") for e in self.cells]

    def named(self, e: Experiment) -> str:
        return f"{e.called}, seed {e.seed}" + f", {self.level}" * self.one_of_several


def conclude(part: Comparison, dataset: DataSet, lost: Set[str]) -> list[Row]:
    """Write results.json and report.html of the methods that were trained with all their seeds, and print the headline.

    `lost` are folders of cells that failed. Returns the rows.
    """
    pairs = list(zip(part.cells, part.folders, strict=True))
    failed = {e.called for e, folder in pairs if folder in lost}
    whole = [(e, folder) for e, folder in pairs if e.called not in failed]
    if not whole:
        return []
    prepared, first = part.prepared, whole[0][0]
    done = [storage.read_json(storage.join(folder, cell.DONE)) for _, folder in whole]
    found, exposed = [], list[Row]()
    for called in dict.fromkeys(e.called for e, _ in whole):
        mine = [(e, folder, d) for (e, folder), d in zip(whole, done, strict=True) if e.called == called]
        setting = ", ".join(f"{k}={v}" for k, v in mine[0][0].settings.items())
        predictions = [cell.predictions(folder) for _, folder, _ in mine]
        one = results.outcome(called, setting, predictions, prepared.cells("train"), [d["seconds"] for *_, d in mine])
        found.append(one)
        shared = {"data": first.data_name, "method": called, "setting": setting, "seconds": one.seconds}
        exposed += discovery.rows(shared, [d["history"] for *_, d in mine], one.train_TB)
    rows = results.rows(first.data_name, found, prepared.targets, prepared.biases, prepared.aligned) + exposed
    rows = [{**row, "agreement": first.task.agreement} for row in rows]
    told = about([d["made"] for d in done])
    storage.write_json(storage.join(part.folder, "results.json"), {"about": told, "rows": rows})
    pictures = cell.examples(dataset, prepared, thumbnails.EACH)
    fields = [dataclasses.asdict(e) for e, _ in whole]
    html = page.render(rows, fields, done, prepared, pictures, dataset.set_aside, sorted(failed), told)
    column = published.column(first.data_name, dataclasses.asdict(first.task), prepared.share)
    paper = published.figures(column) if column else {}
    storage.write(storage.join(part.folder, "report.html"), html.encode())
    print(f"{part.level}\n" * part.one_of_several + f"{headline.text(rows, paper)}\n")
    return rows


def overview(out: str, parts: Sequence[Comparison], rows: Sequence[Row]) -> None:
    """Write results.json and report.html of all levels together; each level's own stand in its folder."""
    shown = {row["agreement"] for row in rows}
    parts = [part for part in parts if part.cells[0].task.agreement in shown]  # of another all methods failed
    files = [storage.join(folder, cell.DONE) for part in parts for folder in part.folders]
    task, told = parts[0].cells[0].task, about([storage.read_json(file)["made"] for file in files if storage.exists(file)])
    storage.write_json(storage.join(out, "results.json"), {"about": told, "rows": rows})
    links = {part.cells[0].task.agreement or 0.0: f"{storage.split(part.folder)[1]}/report.html" for part in parts}
    html = levels.render(rows, links, f"Debiasing {task.target} from {task.bias} on {parts[0].cells[0].data_name}", told)
    storage.write(storage.join(out, "report.html"), html.encode())
