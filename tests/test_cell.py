import dataclasses
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from biasray import cell, data, methods
from biasray.bias.task import Task, prepare
from biasray.contract import Batch, Scan, Stage
from biasray.experiment import Experiment, Training, resolved
from biasray.loop import Place, Tick
from biasray.metrics.exposure import sides
from biasray.resident import Resident
from tests.training import settings

CPU = torch.device("cpu")
TASK = Task(data="digits", agreement=0.9)


def experiment(method: str, **training: Any) -> Experiment:
    given = Training(**{"epochs": 2, "batch": 64, **training})
    return resolved(TASK, given, data.load("digits"), method, settings(method), "smoke", 0, CPU)


@pytest.mark.parametrize("kill_at", [3, 14, 27])
@pytest.mark.parametrize("method", ["jtt", "lff"])
def test_a_cell_killed_anywhere_ends_with_the_same_files(method: str, kill_at: int, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    digits = data.load("digits")
    cell.run(experiment(method), digits, str(tmp_path / "whole"), CPU)
    if (child := os.fork()) == 0:
        ticks = [0]

        def kill(_: Tick) -> None:
            ticks[0] += 1
            if ticks[0] == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

        cell.run(experiment(method), digits, str(tmp_path / "killed"), CPU, kill, save_seconds=0)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL, "it ended before it could be killed"
    cell.run(experiment(method), digits, str(tmp_path / "killed"), CPU)
    for file in ("predictions.parquet", "network.safetensors", "network.json"):
        assert (tmp_path / "killed" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()
    assert not (tmp_path / "killed/state.pt").exists()


def test_seconds_count_over_all_starts(tmp_path: Path) -> None:
    ticks = list[Tick]()

    def interrupted(tick: Tick) -> None:
        ticks.append(tick)
        if len(ticks) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cell.run(experiment("erm"), data.load("digits"), str(tmp_path), CPU, interrupted, save_seconds=0)
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert state["seconds"] > 0
    torch.save({**state, "seconds": 1e6}, tmp_path / "state.pt")  # as if the first start had taken so long
    assert cell.run(experiment("erm"), data.load("digits"), str(tmp_path), CPU)["seconds"] > 1e6


def test_a_method_chooses_its_epochs_on_validation_as_biased_as_training_even_where_it_is_judged_on_balanced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits, mine = data.load("digits"), experiment("bias-ensemble")
    mine = dataclasses.replace(mine, task=dataclasses.replace(mine.task, validation="balanced"))
    seen: dict[str, Resident] = {}
    monkeypatch.setattr(cell, "epochs", lambda build, tables, plan, place: seen.update(tables) or iter(()))
    list(cell.fit(mine, digits, prepare(digits, mine.task, mine.seed), Place(folder=str(tmp_path))))
    aligned = {name: float((seen[name].target_N == seen[name].bias_N).double().mean()) for name in ("choice", "validation")}
    assert aligned["choice"] == pytest.approx(0.9, abs=0.03)
    assert aligned["validation"] < 0.3


def test_a_finished_cell_is_read_and_not_trained_again(tmp_path: Path) -> None:
    first = cell.run(experiment("erm"), data.load("digits"), str(tmp_path), CPU)
    ticks: list[Tick] = []
    assert cell.run(experiment("erm"), data.load("digits"), str(tmp_path), CPU, ticks.append) == first
    assert not ticks


def test_saved_networks_give_the_saved_predictions(tmp_path: Path) -> None:
    digits, mine = data.load("digits"), experiment("lff")
    cell.run(mine, digits, str(tmp_path), CPU)
    prepared = prepare(digits, mine.task, mine.seed)
    method = cell.build(mine, prepared)
    method.load_state_dict(load_file(tmp_path / "network.safetensors"))
    table = cell.resident(digits, prepared, prepared.tables["test"], CPU, mine)
    rows = torch.arange(len(table))
    logits = method.eval().predict(table.fetch(rows, rows).image)
    found = cell.predictions(str(tmp_path))
    np.testing.assert_array_equal(found["predicted"], logits.argmax(1))
    np.testing.assert_allclose(found[[f"p_{k}" for k in range(10)]], logits.softmax(1).detach(), atol=1e-5)


@pytest.mark.parametrize("method", methods.found())
def test_the_test_split_is_read_only_after_the_last_training_step(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits, events = data.load("digits"), list[str]()
    test_rows = len(prepare(digits, experiment(method).task, 0).tables["test"])
    fetch = Resident.fetch

    def watched(self: Resident, index_B: torch.Tensor, key_B: torch.Tensor) -> Batch:
        events.append("test" if len(self) == test_rows else "other")
        return fetch(self, index_B, key_B)

    monkeypatch.setattr(Resident, "fetch", watched)
    cell.run(experiment(method, select="worst-group"), digits, str(tmp_path), CPU)
    assert "test" in events
    assert "other" not in events[events.index("test") :]


@pytest.mark.parametrize("method", methods.found())
def test_bias_labels_are_given_only_to_methods_that_say_they_need_them(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    digits, mine = data.load("digits"), experiment(method)
    prepared = prepare(digits, mine.task, 0)
    seen: list[bool] = []
    kind = methods.get(method)
    born = kind.__init__

    def watched(self: Any, make: Any, labels: Any, *rest: Any) -> None:
        seen.append(labels.bias_N is not None)
        born(self, make, labels, *rest)

    monkeypatch.setattr(kind, "__init__", watched)
    cell.build(mine, prepared)
    assert seen == ["bias" in kind.needs]


def test_what_is_to_be_unlearnt_has_a_table_of_its_own_and_other_methods_get_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits = data.load("digits")
    for method in ("jlu", "group-dro", "erm"):
        mine, seen = experiment(method), dict[str, Resident]()
        monkeypatch.setattr(cell, "epochs", lambda build, tables, plan, place, seen=seen: seen.update(tables) or iter(()))
        prepared = prepare(digits, mine.task, mine.seed)
        list(cell.fit(mine, digits, prepared, Place(folder=str(tmp_path))))
        own = [name for name in seen if name.startswith(cell.SECONDARY)]
        assert bool(own) == (method == "jlu")
        for name in own:
            assert seen[name].target_N.tolist() == prepared.tables["train"]["bias"].tolist()
            assert seen[name].bias_N is None


@pytest.mark.parametrize("method", [name for name, kind in methods.found().items() if "bias" not in kind.needs])
def test_no_batch_of_any_table_carries_bias_labels_to_a_method_without_the_need(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits, mine = data.load("digits"), experiment(method)
    seen: list[Batch] = []
    kind = methods.get(method)
    stages = kind.stages

    def with_a_look(self: Any) -> tuple[Stage, ...]:
        def look(scan: Scan) -> None:
            seen.extend([*scan(), *scan("validation"), *scan("exposure")])

        return (*stages(self), Stage("look", None, after_epoch=look))

    monkeypatch.setattr(kind, "stages", with_a_look)
    cell.run(mine, digits, str(tmp_path), CPU)
    assert seen
    assert all(batch.bias is None and batch.group is None for batch in seen)


def test_networks_that_are_to_learn_the_bias_are_judged_on_training_examples_of_both_kinds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepared = prepare(data.load("digits"), experiment("erm").task, 0)
    train, aligned = prepared.tables["train"], prepared.cells("train").trace()
    judged = cell.exposure(prepared, 0)
    assert len(judged) == 100 + min(100, len(train) - aligned)  # in a small table a hundred
    monkeypatch.setattr(cell, "JUDGED", 60)
    judged = cell.exposure(prepared, 0)
    assert sorted((judged["target"] == judged["bias"]).value_counts()) == sorted([60, min(60, len(train) - aligned)])
    assert judged.drop_duplicates().merge(train).shape[0] == len(judged)
    assert not judged.equals(cell.exposure(prepared, 1))


def test_what_was_judged_stands_in_the_history(tmp_path: Path) -> None:
    digits, mine = data.load("digits"), experiment("lff")
    last = cell.run(mine, digits, str(tmp_path), CPU)["history"][-1]
    prepared = prepare(digits, mine.task, mine.seed)
    method = cell.build(mine, prepared)
    method.load_state_dict(load_file(tmp_path / "network.safetensors"))
    table = cell.resident(digits, prepared, cell.exposure(prepared, mine.seed), CPU, mine)
    seen = table.fetch(torch.arange(len(table)), torch.arange(len(table)))
    assert seen.bias is not None
    with torch.no_grad():
        for told, network in ((last["training"], "debiased"), (last["exposed"]["biased"], "biased")):
            logits = method.eval().get_submodule(network)(seen.image)
            expected = sides(logits, seen.target, seen.bias)
            for side, figures in expected.items():
                assert told[side] == pytest.approx(figures, rel=1e-4)


def test_the_examples_shown_are_what_the_network_sees() -> None:
    digits = data.load("digits")
    one = experiment("erm")
    prepared = prepare(digits, one.task, 0)
    table = cell.resident(digits, prepared, prepared.tables["train"], CPU, one)
    seen = table.fetch(torch.arange(len(table)), torch.arange(len(table)))
    shown = cell.examples(digits, prepared, 2)
    assert len(shown) == 100
    for (target, bias), image_EHWC in shown.items():
        rows = torch.nonzero((seen.target == target) & (seen.bias == bias))[:2, 0]
        assert image_EHWC.shape == (len(rows), *seen.image.shape[2:], 3)
        assert np.abs(seen.image[rows].permute(0, 2, 3, 1).numpy() - image_EHWC / 255).max(initial=0) <= 0.5 / 255 + 1e-6
