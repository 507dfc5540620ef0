import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from biasray.engine import track
from biasray.engine.track import EXPERIMENT, HASH, PARENT, Tracker
from tests.servers import Mlflow, postgres

DONE = {
    "experiment": "e",
    "history": [
        {
            "stage": "fit",
            "epoch": k + 1,
            "losses": {"network": 1.0 / (k + 1)},
            "accuracy": 0.5,
            "worst_group": float("nan"),
            "training": {},
            "exposed": {
                "network": {"aligned": {"n": 4, "wrong": k, "loss": 1.0}, "conflicting": {"n": 0, "wrong": 0, "loss": 0.0}}
            },
        }
        for k in range(3)
    ],
    "seconds": 2.5,
    "ended": 1.8e9,
}


@pytest.fixture(scope="module")
def cell_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cell")
    for name in ("network.safetensors", "network.json", "results.json"):
        (folder / name).write_text("{}")
    return folder


@pytest.fixture(scope="module")
def recorded(cell_folder: Path) -> str:
    """The address of an MLflow with one undisturbed run. (To make a store anew takes seconds.)"""
    uri = f"sqlite:///{cell_folder}/mlflow.db"
    assert "experiment 'biasray'" in record(uri, cell_folder)
    return uri


def record(uri: str, folder: Path) -> str:
    """One pipeline run of two cells, as a pipeline records it."""
    tracker = Tracker(uri, "debias digits", "whole", {"data": "digits"})
    for seed in (0, 1):
        tracker.cell(f"erm, seed {seed}", {"method": "erm", "seed": seed}, f"hash-{seed}", DONE, str(folder))
    return tracker.close({"erm/accuracy": 0.5}, str(folder), ["results.json"], failed=False)


def written(uri: str) -> list[dict[str, Any]]:
    """All that MLflow holds of our runs, without its own times and ids."""
    client = MlflowClient(uri)
    runs = client.search_runs([client.get_experiment_by_name(EXPERIMENT).experiment_id])
    out = []
    for run in runs:
        histories = {
            k: [
                (m.step, m.value, m.timestamp if PARENT in run.data.tags else 0)
                for m in client.get_metric_history(run.info.run_id, k)
            ]
            for k in run.data.metrics
        }
        files = sorted(f.path for f in client.list_artifacts(run.info.run_id))
        tags = {HASH: run.data.tags[HASH], "child": PARENT in run.data.tags}
        out.append({"status": run.info.status, "params": run.data.params, "metrics": histories, "files": files, **tags})
    return sorted(out, key=lambda r: r[HASH])


def test_a_run_holds_its_cells_with_metrics_by_epoch_parameters_and_files(recorded: str) -> None:
    first, second, whole = written(recorded)
    assert [r["status"] for r in (first, second, whole)] == ["FINISHED"] * 3
    assert (first["child"], second["child"], whole["child"]) == (True, True, False)
    assert second["params"] == {"method": "erm", "seed": "1"}
    assert [(step, value) for step, value, _ in first["metrics"]["fit/loss network"]] == [(1, 1.0), (2, 0.5), (3, 1.0 / 3)]
    assert "fit/worst_group" not in first["metrics"]
    assert first["files"] == ["network.json", "network.safetensors"]
    assert whole["metrics"] == {"erm/accuracy": [(0, 0.5, 0)]}
    assert whole["files"] == ["results.json"]


def test_the_same_run_again_adds_nothing(recorded: str, cell_folder: Path) -> None:
    before = written(recorded)
    record(recorded, cell_folder)
    assert written(recorded) == before


def test_a_run_that_goes_on_with_other_compute_keeps_what_was_first_noted(cell_folder: Path) -> None:
    uri = f"sqlite:///{cell_folder}/again.db"
    record(uri, cell_folder)
    before = written(uri)
    Tracker(uri, "debias digits", "whole", {"data": "elsewhere", "workers": 2})
    after = written(uri)
    assert after[-1]["params"] == {"data": "digits", "workers": "2"}
    assert after[:-1] == before[:-1]


def test_a_record_that_never_succeeds_holds_up_no_other(cell_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(track, "PATIENCE", 3)
    uri = f"sqlite:///{cell_folder}/partly.db"
    tracker = Tracker(uri, "debias digits", "whole", {})
    tracker.cell("erm, seed 0", {}, "hash-0", DONE, str(cell_folder / "nowhere"))
    tracker.cell("erm, seed 1", {}, "hash-1", DONE, str(cell_folder))
    said = tracker.close({}, str(cell_folder), ["results.json"], failed=False)
    assert "1 records are missing there (" in said
    assert "nowhere" in said
    assert [r["status"] for r in written(uri)] == ["RUNNING", "FINISHED", "FINISHED"]


def test_a_driver_killed_while_it_records_leaves_what_the_next_one_completes(recorded: str, cell_folder: Path) -> None:
    killed = f"sqlite:///{cell_folder}/killed.db"
    if (child := os.fork()) == 0:
        tracker = Tracker(killed, "debias digits", "whole", {"data": "digits"})
        tracker.client.log_artifacts = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[method-assign]
        tracker.cell("erm, seed 0", {"method": "erm", "seed": 0}, "hash-0", DONE, str(cell_folder))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    record(killed, cell_folder)
    assert written(killed) == written(recorded)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Mlflow]:
    server = Mlflow(f"sqlite:///{tmp_path}/server.db", str(tmp_path / "kept"))
    yield server
    server.stop()


def test_a_server_that_is_away_is_waited_for_and_in_the_end_told_of(
    server: Mlflow, recorded: str, cell_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = Tracker(server.uri, "debias digits", "whole", {"data": "digits"})
    server.stop()
    for seed in (0, 1):
        tracker.cell(f"erm, seed {seed}", {"method": "erm", "seed": seed}, f"hash-{seed}", DONE, str(cell_folder))
    with monkeypatch.context() as impatient:
        impatient.setattr(track, "PATIENCE", 0)
        said = tracker.close({"erm/accuracy": 0.5}, str(cell_folder), ["results.json"], failed=False)
        assert said.startswith(f"MLflow at {server.uri}: 3 records are missing there (API request to ")
        assert said.endswith("; the same command adds them.")
    server.start()
    assert "experiment 'biasray'" in tracker.close({"erm/accuracy": 0.5}, str(cell_folder), ["results.json"], failed=False)
    assert written(server.uri) == written(recorded)


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "sqlite:////proc/mlflow.db", "sqlite:///pyproject.toml", "gopher://x"])
def test_an_address_without_mlflow_is_refused_in_one_sentence(uri: str) -> None:
    with pytest.raises(ValueError, match="cannot be used") as raised:
        Tracker(uri, "debias digits", "whole", {})
    assert "\n" not in str(raised.value)
    assert json.dumps(uri)[1:-1] in str(raised.value)


@pytest.fixture
def production(bucket: str) -> Iterator[Mlflow]:
    """As on a cluster: records in PostgreSQL, files in a bucket."""
    place, _, options = bucket.partition("?")
    with postgres() as store:
        endpoint = dict(option.split("=") for option in options.split("&"))["endpoint_override"]
        server = Mlflow(store, f"{place}/mlflow", MLFLOW_S3_ENDPOINT_URL=endpoint, AWS_DEFAULT_REGION="eu-west-1")
        yield server
        server.stop()


def test_16_runs_record_at_once_while_the_server_is_killed_and_nothing_is_lost_or_doubled(
    production: Mlflow, cell_folder: Path
) -> None:
    begun = threading.Barrier(17, timeout=300)

    def one(run: int) -> str:
        tracker = Tracker(production.uri, f"debias {run}", f"whole-{run}", {"run": run})
        begun.wait()
        for seed in range(2):
            named = (f"erm, seed {seed}", {"seed": seed}, f"hash-{run}-{seed}")
            tracker.cell(*named, DONE, str(cell_folder))
            time.sleep(0.5)
        return tracker.close({"erm/accuracy": run / 16}, str(cell_folder), ["results.json"], failed=False)

    with ThreadPoolExecutor(16) as at_once:
        runs = [at_once.submit(one, run) for run in range(16)]
        begun.wait()
        time.sleep(1)
        production.stop()
        time.sleep(1)
        production.start()
        said = [run.result() for run in runs]
    assert all("experiment 'biasray'" in sentence for sentence in said), said
    found = written(production.uri)
    assert [r[HASH] for r in found] == sorted(f"hash-{run}-{seed}" for run in range(16) for seed in range(2)) + sorted(
        f"whole-{run}" for run in range(16)
    )
    assert {r["status"] for r in found} == {"FINISHED"}
    cells, wholes = found[:32], found[32:]
    assert {tuple(step for step, *_ in r["metrics"]["fit/loss network"]) for r in cells} == {(1, 2, 3)}
    assert {tuple(r["files"]) for r in cells} == {("network.json", "network.safetensors")}
    assert all(r["metrics"] == {"erm/accuracy": [(0, int(r["params"]["run"]) / 16, 0)]} for r in wholes)
