import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from biasray.engine import cluster
from biasray.experiment import Compute


def test_an_address_at_which_no_ray_answers_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster.ray, "is_initialized", lambda: False)
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    with pytest.raises(ValueError, match=r"No Ray cluster answers at RAY_ADDRESS 127\.0\.0\.1:9: start it"):
        cluster.connect()


def test_the_address_for_jobs_is_none_to_join(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster.ray, "is_initialized", lambda: False)
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:8265")
    with pytest.raises(ValueError, match="takes jobs: submit this as one"):
        cluster.connect()


@pytest.mark.parametrize("failures", [1, 2])
def test_ray_is_started_once_more_where_a_slow_machine_takes_too_long(failures: int, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[str] = []

    def init(address: str, **_: object) -> None:
        tries.append(address)
        if len(tries) <= failures:
            raise Exception("The current node timed out during startup.")

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(cluster, "ray", SimpleNamespace(init=init, is_initialized=bool, shutdown=lambda: None))
    if failures == 1:
        cluster.connect()
    else:
        with pytest.raises(ValueError, match="Ray cannot be started here: The current node timed out"):
            cluster.connect()
    assert tries == ["local", "local"]


@pytest.mark.parametrize("compute", [Compute(workers=0), Compute(workers=2, min_workers=3), Compute(min_workers=0)])
def test_numbers_of_workers_that_make_no_sense_are_refused(compute: Compute) -> None:
    with pytest.raises(ValueError, match="--workers"):
        cluster.device(compute)


@pytest.mark.parametrize("compute", [Compute(gpu_share=0.0), Compute(gpu_share=2.0), Compute(gpu_share=0.5, workers=2)])
def test_shares_of_a_gpu_that_make_no_sense_are_refused(compute: Compute) -> None:
    with pytest.raises(ValueError, match="--gpu-share"):
        cluster.device(compute)


def test_small_trainings_share_a_gpu_that_others_have_alone(tmp_path: Path) -> None:
    line = [sys.executable, "-m", "tests.engine.sharing_a_gpu", str(tmp_path)]
    believes = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    ended = subprocess.run(line, cwd=Path(__file__).parents[2], env=believes, capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split() == ["1", "4"]
