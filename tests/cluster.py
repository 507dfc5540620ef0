"""A real Ray cluster of a test's own: a head without CPUs and machines, each as its own processes, behind a token."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, final

import psutil

from tests.servers import free_port

BIN = Path(sys.executable).parent
TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "a" * 64}
# What does not answer for four seconds is dead; by default it takes half a minute.
SOON = '{"health_check_initial_delay_ms": 0, "health_check_period_ms": 1000, "health_check_failure_threshold": 4}'


def environment() -> dict[str, str]:
    """Of machines, and of who may use them: with what this process has at the time, such as keys to a bucket."""
    return {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0", **TOKEN}


class Head(NamedTuple):
    """A running head's addresses."""

    jobs: str
    ray: str


@final
class Node:
    """One machine of a cluster, as `ray start` makes it."""

    def __init__(self, *words: str) -> None:
        # Every port its own: the agents of several machines in one would else fight for them.
        servers = ("dashboard-agent-listen-port", "dashboard-agent-grpc-port", "runtime-env-agent-port", "metrics-export-port")
        # And its own folder: each unpacks a job's working directory, and deletes it when it is through with it.
        self.folder = tempfile.TemporaryDirectory()
        own = ["--temp-dir", self.folder.name, *(f"--{name}={free_port()}" for name in servers)]
        command = [BIN / "ray", "start", "--block", *words, *own]
        self.process = subprocess.Popen(
            command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        assert self.process.stdout
        told = ""
        for line in self.process.stdout:
            told += line
            if "--block" in line:  # the last thing it says once all of it runs
                break
        assert self.process.poll() is None, told

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def kill(self) -> None:
        """All of its processes at once, as a machine that is taken away."""
        for one in [self.process, *self.children()]:  # asked to stop, it would take half a minute
            with suppress(psutil.NoSuchProcess):
                one.kill()
        self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()
        self.folder.cleanup()


@contextmanager
def node(*words: str) -> Iterator[Node]:
    one = Node(*words)
    try:
        yield one
    finally:
        one.kill()


@contextmanager
def head() -> Iterator[Head]:
    jobs, ray = free_port(), free_port()
    own = [f"--port={ray}", f"--ray-client-server-port={free_port()}", f"--dashboard-port={jobs}", "--system-config", SOON]
    with node("--head", "--num-cpus=0", "--include-dashboard=true", *own):
        yield Head(f"http://127.0.0.1:{jobs}", f"127.0.0.1:{ray}")


def worker(at: Head) -> Node:
    """One more machine with one CPU."""
    return Node(f"--address={at.ray}", "--num-cpus=1")


@contextmanager
def cluster(machines: int) -> Iterator[Head]:
    """A head and so many machines of one CPU."""
    with head() as at, ExitStack() as stack:
        for _ in range(machines):
            stack.callback(worker(at).kill)
        yield at
