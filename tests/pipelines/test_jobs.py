"""Jobs on a real cluster of several processes: a head without CPUs and two workers, closed to who has no token."""

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from pyarrow import fs

from biasray import storage
from biasray.zoo import store
from tests.cluster import BIN, TOKEN, Head, cluster, environment

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
SECONDS = 300


@pytest.fixture(scope="module")
def head(bucket: str) -> Iterator[Head]:
    """Of machines that have the keys to the bucket."""
    with cluster(machines=2) as at:
        _wait(lambda: "No available agent" not in _job(at, "submit", "--", "true").stderr)
        yield at


def _job(head: Head, verb: str, *words: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [BIN / "ray", "job", verb, "--address", head.jobs, *words]
    return subprocess.run(command, cwd=ROOT, env=env or environment(), capture_output=True, text=True, timeout=600)


def _submit(head: Head, *words: str, called: str = "") -> subprocess.CompletedProcess[str]:
    """To its end, or with a name only so far that it is known to the head."""
    named = ["--no-wait", "--submission-id", called] if called else []
    return _job(head, "submit", *named, "--working-dir", ".", "--", "python", "-m", *words)


def _wait(true: Callable[[], bool], pause: float = 0.2) -> None:
    until = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(pause)


def _stop(head: Head, called: str) -> None:
    assert _job(head, "stop", called).returncode == 0
    assert "was stopped" in _job(head, "status", called).stdout


def _ends(head: Head, called: str) -> str:
    """What a job has printed by its end, which must be a good one."""
    ends = ("succeeded", "failed", "was stopped")
    _wait(lambda: any(end in _job(head, "status", called).stdout for end in ends), pause=3)  # it asks for a second itself
    told = _job(head, "logs", called).stdout
    assert "succeeded" in _job(head, "status", called).stdout, told
    return told


@pytest.mark.parametrize("given", [{"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "b" * 64}, {"RAY_AUTH_MODE": "disabled"}])
def test_who_does_not_have_the_token_can_submit_nothing(head: Head, given: dict[str, str], tmp_path: Path) -> None:
    others = {k: v for k, v in environment().items() if k not in TOKEN}
    left = tmp_path / "left"
    refused = _job(head, "submit", "--", "touch", str(left), env={**others, **given})
    assert refused.returncode != 0
    assert "authentication" in (refused.stdout + refused.stderr).lower()
    assert not left.exists()


def test_a_submitted_job_that_would_lose_its_results_is_refused(head: Head) -> None:
    ended = _submit(head, "pipelines.debias", "--agreement", "0.9", "--out", "runs/mine")
    assert ended.returncode == 1
    assert "--out runs/mine: a submitted job runs in a temporary copy of its folder" in ended.stdout


def test_a_stopped_quickstart_in_a_bucket_goes_on_where_it_was(head: Head, bucket: str, tmp_path: Path) -> None:
    out = storage.join(bucket, tmp_path.name)
    line = ["pipelines.quickstart", "--out", out, "--seeds", "1", "--tracking", f"sqlite:///{tmp_path}/mlflow.db"]
    assert _submit(head, *line, called="quick").returncode == 0
    _wait(lambda: len(_done(out, "done.json")) > 0)
    _stop(head, "quick")
    before = _done(out, "done.json")
    assert len(before) < 4
    assert _submit(head, *line, called="quick-again").returncode == 0
    told = _ends(head, "quick-again")
    assert "| group-dro" in told
    rows = storage.read_json(storage.join(out, "digits", "results.json"))["rows"]
    assert {row["method"] for row in rows} == {"erm", "group-dro", "lff", "jtt"}
    assert (tmp_path / "mlflow.db").exists()
    after = _done(out, "done.json")
    assert len(after) == 4
    assert before.items() <= after.items()
    assert "not-to-be-told" not in told + str(storage.read(storage.join(out, "digits", "config.json")))


def test_a_stopped_zoo_goes_on_where_it_was(head: Head, bucket: str, tmp_path: Path) -> None:
    zoos = storage.join(bucket, tmp_path.name)
    line = ["pipelines.zoo", "digits", "--members", "40", "--epochs", "4", "--storage", zoos, "--tracking", "none"]
    assert _submit(head, *line, called="zoo").returncode == 0
    _wait(lambda: any("/shards/" in name for name in _done(zoos, ".json")))
    _stop(head, "zoo")
    [name] = storage.names(zoos)
    zoo = storage.join(zoos, name)
    shards = storage.join(zoo, "shards")
    before = _done(shards, ".json")
    planned = len(storage.read_json(storage.join(zoo, "plan.json"))["shards"])
    assert len(before) < planned
    assert _submit(head, *line, called="zoo-again").returncode == 0
    _ends(head, "zoo-again")
    after = _done(shards, ".json")
    assert len(after) == planned
    assert before.items() <= after.items()
    assert store.verify(zoo) == []


def _done(folder: str, named: str) -> dict[str, int]:
    """When the markers of what is done were written, in nanoseconds."""
    system, path = storage.locate(folder)
    found = system.get_file_info(fs.FileSelector(path, allow_not_found=True, recursive=True))
    return {info.path: info.mtime_ns for info in found if info.path.endswith(named) and "/." not in info.path}
