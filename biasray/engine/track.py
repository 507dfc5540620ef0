"""Records in MLflow: one run a pipeline run, a child run a cell. Only the driver writes, so nothing is written twice.

A run is found again by the hash of what it records, so a command that is repeated or resumed adds nothing to what is
there. What cannot be written while the server is away is kept and written later; the results in the out folder
never wait for it.
"""

import logging
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, final

# An attempt fails soon; what failed is tried again with the next record and at the end.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode

from biasray import storage

EXPERIMENT = "biasray"
HASH = "biasray.hash"
PARENT = "mlflow.parentRunId"
PATIENCE = 120.0  # seconds that the end of a run waits for a server that is away
MOST = 1000  # metrics that MLflow takes at once

for _name in ("mlflow", "alembic"):
    logging.getLogger(_name).setLevel(logging.ERROR)


@final
class Tracker:
    """The records of one pipeline run.

    Raises ValueError where no MLflow answers at `uri` (sqlite:///file.db, http://host:5000) at the start.
    """

    def __init__(self, uri: str, name: str, fingerprint: str, parameters: Mapping[str, Any]) -> None:
        self.uri, self.waiting, self.reason = uri, list[Callable[[], None]](), ""
        try:
            self.files_at = _open_sqlite(uri)
            self.client = MlflowClient(uri)
            self.experiment = self._experiment()
            self.run = self._begin(name, fingerprint, parameters, parent=None)
        except Exception as error:  # MLflow, SQLAlchemy and requests each have their own
            said = f"MLflow at {uri} cannot be used ({_reason(error)}); start it, or give another --tracking."
            raise ValueError(said) from error

    def cell(self, name: str, parameters: Mapping[str, Any], fingerprint: str, done: Mapping[str, Any], folder: str) -> None:
        """Record a finished cell: its parameters, its metrics by epoch, and the files in its folder that make its network."""
        metrics = [(k, v, step) for step, epoch in enumerate(done["history"], 1) for k, v in _numbers(epoch)]
        files = ("network.safetensors", "network.json")
        self.part(name, parameters, fingerprint, [*metrics, ("seconds", done["seconds"], 0)], done["ended"], folder, files)

    def part(
        self,
        name: str,
        parameters: Mapping[str, Any],
        fingerprint: str,
        metrics: Sequence[tuple[str, float, int]],
        ended: float,
        folder: str,
        files: Sequence[str],
    ) -> None:
        """Record a finished part of the run as a child run: metrics are name, value and step; `ended` is in seconds since
        1970; files lie in the folder."""

        def record() -> None:
            run = self._begin(name, fingerprint, parameters, self.run.info.run_id)
            if run.info.status == "FINISHED":
                return
            at = int(1000 * ended)  # the same whenever it is recorded: a repeated metric is then the same metric
            found = [Metric(k, v, at, step) for k, v, step in metrics]
            for k in range(0, len(found), MOST):
                self.client.log_batch(run.info.run_id, metrics=found[k : k + MOST])
            self._files(run, folder, files)
            self.client.set_terminated(run.info.run_id, "FINISHED", at)

        self._record(record)

    def close(self, metrics: Mapping[str, float], out: str, files: Sequence[str], failed: bool) -> str:
        """Record the whole run's figures and files; returns a sentence about where they are, or what is missing there."""

        def record() -> None:
            at = int(time.time() * 1000)
            if self.client.get_run(self.run.info.run_id).data.metrics != dict(metrics):
                self.client.log_batch(self.run.info.run_id, metrics=[Metric(k, v, at, 0) for k, v in metrics.items()])
            self._files(self.run, out, files)
            self.client.set_terminated(self.run.info.run_id, "FAILED" if failed else "FINISHED")

        self._record(record)
        until = time.monotonic() + PATIENCE
        while self.waiting and time.monotonic() < until:
            time.sleep(2)
            self._flush()
        if not self.waiting:
            return f"Records: experiment '{EXPERIMENT}' of MLflow at {self.uri}."
        missing = f"{len(self.waiting)} records are missing there ({self.reason})"
        return f"MLflow at {self.uri}: {missing}; the same command adds them."

    def _record(self, record: Callable[[], None]) -> None:
        self.waiting.append(record)
        self._flush()

    def _flush(self) -> None:
        while self.waiting:
            try:
                self.waiting[0]()
            except Exception as error:  # MLflow and what it stores with each have their own; results never wait for records
                self.reason = _reason(error)
                self.waiting.append(self.waiting.pop(0))  # so that one that never can does not stand before the others
                return
            del self.waiting[0]

    def _experiment(self) -> str:
        found = self.client.get_experiment_by_name(EXPERIMENT)
        if found:
            return str(found.experiment_id)
        try:
            return str(self.client.create_experiment(EXPERIMENT, self.files_at))
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
                raise
            return self._experiment()  # another driver was faster

    def _begin(self, name: str, fingerprint: str, parameters: Mapping[str, Any], parent: str | None) -> Run:
        """The run with this hash, made if it is not there."""
        ours = f"tags.`{HASH}` = '{fingerprint}'" + (f" and tags.`{PARENT}` = '{parent}'" if parent else "")
        found = self.client.search_runs([self.experiment], ours, max_results=1)
        tags = {HASH: fingerprint, **({PARENT: parent} if parent else {})}
        run: Run = found[0] if found else self.client.create_run(self.experiment, run_name=name, tags=tags)
        # A run that goes on may have other compute or another place; MLflow would refuse to change what it holds.
        new = [Param(k, str(v)) for k, v in parameters.items() if k not in run.data.params]
        self.client.log_batch(run.info.run_id, params=new, tags=list[RunTag]())
        return run

    def _files(self, run: Run, folder: str, names: Sequence[str]) -> None:
        with tempfile.TemporaryDirectory() as here:
            for name in names:
                Path(here, name).write_bytes(storage.read(storage.join(folder, name)))
            self.client.log_artifacts(run.info.run_id, here)


def _open_sqlite(uri: str) -> str | None:
    """Where the store is a SQLite file, see that it can be written (MLflow itself would try for two minutes), and return the
    folder for artifacts: beside the file, and not in whatever the working directory is.
    """
    file = uri.removeprefix("sqlite:///")
    if file == uri:
        return None
    folder = os.path.dirname(os.path.abspath(file))
    os.makedirs(folder, exist_ok=True)
    with closing(sqlite3.connect(file, timeout=60, isolation_level=None)) as store:  # seconds that others may write
        store.execute("BEGIN IMMEDIATE")
        store.execute("ROLLBACK")
    return os.path.join(folder, "mlruns")


def _reason(error: Exception) -> str:
    first = (str(error).strip() or repr(error)).splitlines()[0]
    return first.partition(" with exception")[0][:200]


def _numbers(epoch: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Name and value of the losses and scores of an epoch, and of the errors of networks that are to learn the bias."""
    stage = epoch["stage"]
    losses = [(f"{stage}/loss {name}".replace("+", " and "), value) for name, value in epoch["losses"].items()]
    scores = [(f"{stage}/{k}", v) for k, v in epoch.items() if k not in ("stage", "epoch", "losses", "training", "exposed")]
    errors = [
        (f"{stage}/{network} error {side}", found["wrong"] / found["n"])
        for network, sides in epoch.get("exposed", {}).items()
        for side, found in sides.items()
        if found["n"]
    ]
    return [(k, v) for k, v in [*losses, *scores, *errors] if v == v]
