"""Two nodes, one of which is lost: `python -m tests.engine.losing_a_node FOLDER`, since a process has but one Ray."""

import sys
from pathlib import Path

import ray
from ray.cluster_utils import Cluster

from biasray.engine.cells import Status, run_cells
from biasray.experiment import Compute
from tests.engine.cells import DIGITS, folders, make

# Long enough to lose a node. LfF would amplify rounding by then (5e-5 between one worker and two, node lost or not).
CELL = make("erm", epochs=60, precision="float64")


def main(out: Path) -> None:
    soon = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 4}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "_system_config": soon})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    ray.init(address=cluster.address, log_to_driver=False)

    def lose(status: Status) -> None:
        if status.done > 2 and len(nodes) == 2:
            print(f"lost after {status.done:.1f} epochs", flush=True)
            cluster.remove_node(nodes.pop(), allow_graceful=False)

    compute = Compute(workers=2, min_workers=1)
    failed = run_cells([CELL], DIGITS, folders(out, [CELL]), compute, str(out / "ray"), lose, save_seconds=0.2)
    assert not failed, failed
    assert len(nodes) == 1, "no node was lost"
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
