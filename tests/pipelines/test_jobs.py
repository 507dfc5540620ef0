"""A submitted job: a real Ray head with its Jobs server, on this machine."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.servers import free_port

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
ENVIRONMENT = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}


@pytest.fixture(scope="module")
def head() -> Iterator[str]:
    """Address of the Jobs server."""
    jobs = free_port()
    temporary = tempfile.TemporaryDirectory()  # its own: Ray keeps the address of the machine's cluster in the usual one
    # Every port its own: the agents of two clusters on one machine would else fight for them.
    servers = ("port", "ray-client-server-port", "dashboard-agent-listen-port", "dashboard-agent-grpc-port")
    ports = [f"--{name}={free_port()}" for name in (*servers, "runtime-env-agent-port", "metrics-export-port")]
    command = [
        BIN / "ray",
        "start",
        "--head",
        "--block",
        "--num-cpus=2",
        "--include-dashboard=true",
        f"--dashboard-port={jobs}",
        *ports,
        "--temp-dir",
        temporary.name,
    ]
    process = subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    assert process.stdout
    told = ""
    for line in process.stdout:
        told += line
        if "--block" in line:  # the last thing it says once all of it runs
            break
    assert process.poll() is None, told
    until = time.monotonic() + 300
    while "No available agent" in ray_job(f"http://127.0.0.1:{jobs}", "true").stderr and time.monotonic() < until:
        time.sleep(1)
    yield f"http://127.0.0.1:{jobs}"
    started = [process, *psutil.Process(process.pid).children(recursive=True)]
    for one in started:  # asked to stop, it would take half a minute
        with suppress(psutil.NoSuchProcess):
            one.kill()
    process.wait()
    process.stdout.close()
    temporary.cleanup()


def submit(head: str, *words: str) -> subprocess.CompletedProcess[str]:
    return ray_job(head, "python", "-m", *words)


def ray_job(head: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [BIN / "ray", "job", "submit", "--address", head, "--working-dir", ".", "--", *words]
    return subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=600)


def test_a_submitted_job_leaves_results_and_records_where_it_was_told_to(head: str, tmp_path: Path) -> None:
    out, tracking = tmp_path / "out", f"sqlite:///{tmp_path}/mlflow.db"
    line = ["--data", "digits", "--agreement", "0.9", "--epochs", "1", "--methods", "erm", "lff", "--seeds", "1"]
    ended = submit(head, "pipelines.debias", *line, "--out", str(out), "--tracking", tracking)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "| erm" in ended.stdout
    assert "| lff" in ended.stdout
    assert {r["method"] for r in json.loads((out / "results.json").read_text())["rows"]} == {"erm", "lff"}
    assert (tmp_path / "mlflow.db").exists()


def test_a_submitted_job_that_would_lose_its_results_is_refused(head: str) -> None:
    ended = submit(head, "pipelines.debias", "--agreement", "0.9", "--out", "runs/mine")
    assert ended.returncode == 1
    assert "--out runs/mine: a submitted job runs in a temporary copy of its folder" in ended.stdout
