"""Two nodes, one of which is lost: `python -m tests.engine.losing_a_node FOLDER`, since a process has but one Ray.

With `--notice` it is told before, and checkpoints are otherwise not written.
"""

import sys
import time
from pathlib import Path

import ray
from ray._raylet import GcsClient
from ray.cluster_utils import Cluster
from ray.core.generated import autoscaler_pb2

from biasray.engine.cells import Status, run_cells
from biasray.experiment import Compute
from tests.engine.cells import DIGITS, folders, make

# Long enough to lose a node. LfF would amplify rounding by then (5e-5 between one worker and two, node lost or not).
CELL = make("erm", epochs=80, precision="float64")


def main(out: Path, notice: bool) -> None:
    soon = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 4}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "_system_config": soon})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    ray.init(address=cluster.address, log_to_driver=False)
    checkpoint = Path(folders(out, [CELL])[0], "state.pt")

    def lose(status: Status) -> None:
        if status.done > 2 and len(nodes) == 2:
            if notice:
                assert not checkpoint.exists()
                why = autoscaler_pb2.DrainNodeReason.DRAIN_NODE_REASON_PREEMPTION
                deadline = int(1000 * (time.time() + 60))
                GcsClient(address=cluster.address).drain_node(nodes[-1].node_id, why, "a test", deadline)
                until = time.monotonic() + 60
                while not checkpoint.exists() and time.monotonic() < until:
                    time.sleep(0.1)
                assert checkpoint.exists(), "nothing was saved"
            print(f"lost after {status.done:.1f} epochs", flush=True)
            cluster.remove_node(nodes.pop(), allow_graceful=False)

    compute = Compute(workers=2, min_workers=1)
    save_seconds = 1e9 if notice else 0.2
    failed = run_cells([CELL], DIGITS, folders(out, [CELL]), compute, str(out / "ray"), lose, save_seconds=save_seconds)
    assert not failed, failed
    assert len(nodes) == 1, "no node was lost"
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]), "--notice" in sys.argv)
