"""A zoo of 64 members whose workers, nodes and drivers are killed ten times: `python -m tests.engine.killing_a_zoo FOLDER`.

It ends with the manifest, weights and index of an undisturbed one, byte for byte, or with an error.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import ray
from ray.cluster_utils import Cluster

from biasray.engine.zoo import make_zoo
from biasray.experiment import Compute
from biasray.zoo import plan, store
from biasray.zoo.member import Member
from biasray.zoo.spec import DigitZoo
from tests.zoo.members import DIGITS

KILLS = 10
SECONDS = (2.0, 12.0)  # after a driver has begun to train, or after the last kill


def members() -> tuple[Member, ...]:
    return DigitZoo(members=64, images=500, epochs=(12,), batch=(32,)).expand(DIGITS, "float32", 0)


def drive(folder: str) -> None:
    """Make the zoo on a cluster of two nodes beside the driver's."""
    soon = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 1000, "health_check_failure_threshold": 10}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "_system_config": soon})
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False)
    failed = make_zoo(members(), {"kind": "killed"}, DIGITS, folder, Compute(device="cpu", threads=1))
    assert not failed, failed
    ray.shutdown()
    cluster.shutdown()


def children(driver: psutil.Process, called: str) -> list[psutil.Process]:
    found = []
    for process in driver.children(recursive=True):
        try:
            if called in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def kill(driver: subprocess.Popen[bytes], kind: str) -> bool:
    """Kill a worker, a node that is not the head, or the driver with all it has started."""
    if kind == "driver":
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait()
        return True
    called = "ray::_Inner.train" if kind == "worker" else "raylet/raylet --"
    found = children(psutil.Process(driver.pid), called)
    if kind == "node":
        found = found[1:] if len(found) == 3 else []  # the head came first, and one has to be left
    if not found:
        return False
    random.choice(found).kill()
    return True


def main(folder: Path) -> None:
    random.seed(0)
    undisturbed, killed = folder / "undisturbed", folder / "killed"
    line = [sys.executable, "-m", "tests.engine.killing_a_zoo"]
    subprocess.run([*line, "drive", str(undisturbed)], check=True)
    killed.mkdir()
    for name in (plan.PLAN, store.ZOO):
        shutil.copy(undisturbed / name, killed / name)
    done = list[str]()
    while not (killed / store.MANIFEST).exists():
        driver = subprocess.Popen([*line, "drive", str(killed)], start_new_session=True)
        while driver.poll() is None and not children(psutil.Process(driver.pid), "ray::_Inner.train"):
            time.sleep(0.2)
        while driver.poll() is None and len(done) < KILLS:
            time.sleep(random.uniform(*SECONDS))
            kind = random.choice(["worker", "worker", "node", "driver"])
            if driver.poll() is None and kill(driver, kind):
                finished = len(list(killed.glob("shards/*.json")))
                done.append(kind)
                print(f"kill {len(done)}: {kind}, {finished} shards done", flush=True)
        assert driver.wait() in (0, -signal.SIGKILL), "the driver failed by itself"
    assert len(done) == KILLS, "the zoo was made before it was killed often enough"
    assert store.verify(str(killed)) == []
    for name in (store.MANIFEST, store.INDEX):
        assert (undisturbed / name).read_bytes() == (killed / name).read_bytes(), name
    print(f"{len(done)} kills ({', '.join(done)}); manifest, weights and index are those of an undisturbed zoo.")


if __name__ == "__main__":
    if sys.argv[1] == "drive":
        drive(sys.argv[2])
    else:
        main(Path(sys.argv[1]))
