"""A cluster that has no machines until there is work for them."""

import subprocess
import sys
from pathlib import Path

import pytest

from biasray.zoo import store
from tests.cluster import environment, head, worker

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_zoo_waits_for_the_first_machine(tmp_path: Path) -> None:
    out = f"{tmp_path}/zoo"
    line = ["pipelines.zoo", "digits", "--members", "16", "--epochs", "1", "--tracking", "none", "--out", out]
    with head() as at:
        joins = {**environment(), "RAY_ADDRESS": at.ray}
        making = subprocess.Popen([sys.executable, "-m", *line], cwd=ROOT, env=joins, stderr=subprocess.PIPE, text=True)
        with making:
            assert making.stderr
            assert any("It waits for the cluster to grow" in said for said in making.stderr)
            machine = worker(at)
            try:
                told = making.stderr.read()
                assert making.wait(600) == 0, told
            finally:
                machine.kill()
    assert store.verify(out) == []
