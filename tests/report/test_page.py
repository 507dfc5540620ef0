"""The page in a real browser."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from biasray import cell, data, methods
from biasray.bias.task import Task, prepare, resolve
from biasray.data.dataset import DataSet
from biasray.metrics.exposure import SIDES
from biasray.report import discovery, page, results, thumbnails
from tests.report.browser import look

TWO = ("erm", "group-dro")


def render(
    dataset: DataSet, task: Task, folder: Path, failed: tuple[str, ...] = (), answers: str = "bias", names: Iterable[str] = TWO
) -> Path:
    """The report on methods that guess the aligned target, or are told the right one, without training them."""
    prepared = prepare(dataset, resolve(task, dataset), 0)
    table = prepared.tables["test"]
    predictions = [table[["id", "target", "bias"]].assign(predicted=table[answers]) for _ in range(2)]
    found = [results.outcome(m, "", predictions, prepared.cells("train"), [1.0]) for m in names]
    rows = results.rows(dataset.name, found, prepared.targets, prepared.biases, prepared.aligned)
    fields = {
        "task": vars(resolve(task, dataset)), "data_name": dataset.name, "data_checksum": "c", "network": "cnn",
        "precision": "bf16", "select": "last", "seed": 0, "epochs": 2, "settings": {},
        "recipe": {"optimiser": "adam", "lr": 1e-3, "batch": 64, "weight_decay": 0.0},
    }  # fmt: skip
    judged = {side: {"n": 9, "wrong": 4, "loss": 8.0} for side in SIDES}
    told = {"losses": {}, "accuracy": 0.5, "group_average": 0.5, "training": judged, "exposed": {"biased": judged}}
    epochs = [{"stage": "fit", "epoch": e, **told} for e in (1, 2, 3)]
    for m in names:
        rows += discovery.rows({"data": "d", "method": m, "setting": "", "seconds": 1.0}, [epochs] * 2, prepared.cells("train"))
    cells = [{**fields, "method": m, "called": m} for m in names]
    pictures = cell.examples(dataset, prepared, thumbnails.EACH)
    about = {"command": "python -m pipelines.debias", "versions": {"torch": "2"}, "hardware": "h", "date": "2026-11-22"}
    html = page.render(
        rows,
        cells,
        [{"history": epochs, "seconds": 1.0, "memory": 5e8}] * len(cells),
        prepared,
        pictures,
        [("a.jpg", "not an image")],
        failed,
        about,
    )
    (folder / "report.html").write_text(html)
    return folder / "report.html"


def test_methods_no_better_than_chance_are_named_among_the_limits(tmp_path: Path) -> None:
    drawn, task = data.load("drawn-faces"), Task(data="drawn-faces", bias="hat", agreement=0.9)
    said = "group average of erm, group-dro may be no better than chance (50 %): low bias means nothing there."
    assert said in render(drawn, task, tmp_path).read_text()
    assert "than chance" not in render(drawn, task, tmp_path, answers="target").read_text()


@pytest.mark.parametrize(
    ("name", "task", "images"),
    [
        ("digits", Task(data="digits", agreement=0.9), 1),
        ("drawn-faces", Task(data="drawn-faces", bias="hat", agreement=0.9), 4),
    ],
)
@pytest.mark.parametrize("width", [1000, 400])
def test_the_page_is_whole_and_fits_the_window(name: str, task: Task, images: int, width: int, tmp_path: Path) -> None:
    seen = look(render(data.load(name), task, tmp_path, failed=("nobody",), names=methods.found()), width)
    assert (seen["broken"], seen["flat"], seen["images"]) == (0, 0, images)
    assert seen["wide"] <= 0
    for told in (
        "nobody failed",
        "a.jpg: not an image",
        "Limits",
        "python -m pipelines.debias",
        "model bias",
        "bias accuracy after epoch 2",
    ):
        assert told in seen["text"]
    assert ("drawn by a program" in seen["text"]) == (name == "drawn-faces")
