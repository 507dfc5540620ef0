"""Trainings that share a GPU, which here is a number that Ray believes: `python -m tests.engine.sharing_a_gpu FOLDER`."""

import os
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import ray
from ray.cluster_utils import Cluster

from biasray.engine.cluster import connect
from biasray.engine.fan_out import fan_out
from biasray.engine.sweep import needs
from biasray.experiment import Compute


class Meeting(NamedTuple):
    """A job that waits for others, and notes how many there were at most."""

    number: int
    folder: str
    wanted: int

    def __call__(self, board: Any) -> None:
        mine, until, most = Path(self.folder, f"here-{self.number}"), time.monotonic() + 120, 0
        mine.touch()
        while most < self.wanted and time.monotonic() < until:
            most = max(most, len(list(Path(self.folder).glob("here-*"))))
            time.sleep(0.05)
        time.sleep(1)  # for one that should not be here to come
        most = max(most, len(list(Path(self.folder).glob("here-*"))))
        Path(self.folder, f"most-{self.number}").write_text(str(most))
        mine.unlink()


def most_at_once(folder: Path, share: float, wanted: int) -> int:
    folder.mkdir()
    each, threads = needs(Compute(device="cuda", gpu_share=share))
    jobs = {k: Meeting(k, str(folder), wanted) for k in range(4)}
    assert fan_out(jobs, each, threads, None, f"{folder}/ray", lambda status: None, lambda number: None) == {}
    return max(int(file.read_text()) for file in folder.glob("most-*"))


def main(folder: Path) -> None:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    cluster.add_node(num_cpus=8, num_gpus=1)
    os.environ["RAY_ADDRESS"] = cluster.address
    connect()
    print(most_at_once(folder / "whole", 1.0, 1), most_at_once(folder / "quarters", 0.25, 4))
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
