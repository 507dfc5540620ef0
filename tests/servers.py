"""Real servers of a test's own, on ports of this machine alone."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import final

import pytest


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def postgres() -> Iterator[str]:
    """The address of an empty database."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)  # where Debian's package has them
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian's package `postgresql`)")
    who = "postgres" if os.geteuid() == 0 else None  # it refuses to be run by root
    with tempfile.TemporaryDirectory() as folder:
        if who:
            shutil.chown(folder, who, who)
        data, port = f"{folder}/data", free_port()
        make = [programs / "initdb", "-D", data, "-U", "mlflow", "--auth=trust", "--no-sync"]
        subprocess.run(make, user=who, group=who, cwd="/", check=True, capture_output=True)
        command = [programs / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", folder, "-F"]
        server = subprocess.Popen(command, user=who, group=who, cwd="/", stderr=subprocess.DEVNULL)
        try:
            until = time.monotonic() + 120
            while subprocess.run([programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)], check=False).returncode:
                assert server.poll() is None, "PostgreSQL ended while it started"
                assert time.monotonic() < until, "PostgreSQL did not start"
                time.sleep(0.1)
            yield f"postgresql://mlflow@127.0.0.1:{port}/postgres"
        finally:
            server.send_signal(signal.SIGINT)  # its fast way to stop
            server.wait()


@final
class Mlflow:
    """A real MLflow server that can go away and come back."""

    def __init__(self, store: str, artifacts: str, **environment: str) -> None:
        port = free_port()
        self.uri, self.environment = f"http://127.0.0.1:{port}", environment
        keeps = ["--backend-store-uri", store, "--artifacts-destination", artifacts]
        self.command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1", *keeps]
        self.start()

    def start(self) -> None:
        environment = {**os.environ, **self.environment}
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(self.command, env=environment, stdout=quiet, stderr=quiet, start_new_session=True)
        until = time.monotonic() + 300
        while self.process.poll() is None and time.monotonic() < until:
            with suppress(OSError), urllib.request.urlopen(f"{self.uri}/health", timeout=10):  # the port opens long before
                return
            time.sleep(0.2)
        raise AssertionError(f"the MLflow server did not start (status {self.process.poll()})")

    def stop(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
