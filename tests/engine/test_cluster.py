from types import SimpleNamespace

import pytest

from biasray.engine import cluster
from biasray.experiment import Compute


def test_an_address_at_which_no_ray_answers_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster.ray, "is_initialized", lambda: False)
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    with pytest.raises(ValueError, match=r"No Ray cluster answers at RAY_ADDRESS 127\.0\.0\.1:9: start it"):
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
