"""What this machine or the joined cluster can do, and what is missing: a finding each, from the ground up."""

import os
import platform
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeVar

import ray
import requests
import torch
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from biasray import storage
from biasray.engine.cluster import connect, joined
from biasray.engine.machine import Machine, machine
from biasray.engine.work import last_line

R = TypeVar("R")
State = Literal["ok", "note", "missing"]  # a note: it works, but less well than it could
PROBE, DRIVERS = bytes(8_000_000), "driver"
WAIT = 120.0  # seconds for a machine to start a process and answer
FEWEST_FILES = 4096  # Ray's processes hold some thousands of sockets and files open on a busy machine
LEAST_SHARED, LEAST_DISK = 0.2, 10e9  # share of memory, bytes


class Finding(NamedTuple):
    about: str
    state: State
    said: str


def examine(place: str | None, tracking: str | None) -> Iterator[Finding]:
    """Look at this machine, at Ray, at each machine of a joined cluster, at the folder or URI `place`, and at MLflow."""
    here = machine()
    yield from of_machine(here)
    try:
        connect()
    except ValueError as error:
        yield Finding("ray", "missing", str(error))
        return
    yield of_ray()
    nodes = [node for node in ray.nodes() if node["Alive"]]
    if joined():
        yield from of_cluster(here, nodes)
    if place is not None:
        yield of_storage(place, [node["NodeID"] for node in nodes])
    if tracking is not None:
        yield of_tracking(tracking, here.packages.get("mlflow", ""))


def of_machine(it: Machine) -> Iterator[Finding]:
    packages = ", ".join(f"{name} {number}" for name, number in it.packages.items())
    yield Finding("python", "ok", f"{it.python} with {packages}")
    yield _operators()
    if it.bf16:
        yield Finding("processor", "ok", f"{it.cores} cores, which multiply in bf16")
    else:
        yield Finding("processor", "note", f"{it.cores} cores without bf16: networks are trained in float32, which is slower")
    if it.gpus:
        yield Finding("gpu", "ok", ", ".join(f"{gpu.name} with {_size(gpu.memory)}" for gpu in it.gpus))
    else:
        yield Finding("gpu", "note", "none that torch sees: networks are trained on the CPU")
    yield Finding("memory", "ok", _size(it.memory))
    if it.shared < LEAST_SHARED * it.memory:
        said = f"{_size(it.shared)} free: Ray will keep data sets on disk; start containers with a larger --shm-size"
        yield Finding("shared memory", "note", said)
    else:
        yield Finding("shared memory", "ok", f"{_size(it.shared)} free")
    if it.disk < LEAST_DISK:
        yield Finding("disk", "note", f"{_size(it.disk)} free in {it.temporary}: free some, or let TMPDIR name a larger place")
    else:
        yield Finding("disk", "ok", f"{_size(it.disk)} free in {it.temporary}")
    if it.files < FEWEST_FILES:
        yield Finding("open files", "note", f"{it.files:,} a process: large runs need more; `ulimit -n {16 * FEWEST_FILES}`")
    else:
        yield Finding("open files", "ok", f"{it.files:,} a process")


def of_ray() -> Finding:
    held = ray.cluster_resources()
    alive = sum(node["Alive"] for node in ray.nodes())
    has = f"{held.get('CPU', 0):g} CPUs, {held.get('GPU', 0):g} GPUs"
    if not joined():
        return Finding("ray", "ok", f"starts here with {has}; set RAY_ADDRESS to join a cluster")
    said = f"joined at {os.environ['RAY_ADDRESS']}: machines: {alive}, {has}"
    if not held.get("CPU"):
        return Finding("ray", "note", f"{said}; trainings wait until the cluster grows")
    return Finding("ray", "ok", said)


def of_cluster(driver: Machine, nodes: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Of the machines of a cluster, beside the one that the driver runs on."""
    found = _on_each(machine, [node["NodeID"] for node in nodes])
    silent = [error for error in found.values() if isinstance(error, Exception)]
    wrong = [said for one in found.values() if not isinstance(one, Exception) and (said := _unlike(driver, one))]
    if silent:
        said = f"{len(silent)} of {len(found)} start no process ({last_line(silent[0])}); look at their logs, or take them out"
        yield Finding("machines", "missing", said)
    if wrong:
        yield Finding("machines", "missing", f"{'; '.join(wrong[:3])}; give all of them one image")
    if not silent and not wrong:
        yield Finding("machines", "ok", f"{len(found)}, each with this Python and these packages")
    if len(nodes) > 1 and any("node:__internal_head__" in node["Resources"] and node["Resources"].get("CPU") for node in nodes):
        yield Finding("head", "note", "trainings run on it too, beside the drivers; start it with --num-cpus=0")


def of_storage(place: str, nodes: Sequence[str]) -> Finding:
    """Write and read there, and let each machine read what was written and write beside it."""
    folder = storage.join(place, f"doctor-{uuid.uuid4().hex}")
    try:
        began = time.monotonic()
        storage.write(storage.join(folder, DRIVERS), PROBE)
        seconds = time.monotonic() - began
        tries = _on_each(_try_storage, nodes, folder)
        storage.delete_folder(folder)
    except ValueError as error:
        return Finding("storage", "missing", str(error))
    if blind := [error for error in tries.values() if isinstance(error, Exception)]:
        said = f"{len(blind)} of {len(nodes)} machines cannot use {place} ({last_line(blind[0])})"
        return Finding("storage", "missing", f"{said}; name a place that every machine reaches")
    said = f"read and written by {len(nodes)} of {len(nodes)} machines, 8 MB in {seconds:.2g} s"
    return Finding("storage", "ok", f"{place}: {said}")


def of_tracking(uri: str, installed: str) -> Finding:
    """Whether MLflow can be used at `uri`; nothing is recorded."""
    if uri.startswith("sqlite:///"):
        folder = os.path.dirname(os.path.abspath(uri.removeprefix("sqlite:///")))
        if not os.access(folder, os.W_OK):
            return Finding("mlflow", "missing", f"{uri}: no file can be written in {folder}; give another --tracking")
        return Finding("mlflow", "ok", f"{uri}, a file that this machine alone can reach")
    if not uri.startswith(("http://", "https://")):
        return Finding("mlflow", "missing", f"{uri} is not the address of a server or a file; give http://... or sqlite:///...")
    try:
        answer = requests.get(f"{uri.rstrip('/')}/version", timeout=10)
        answer.raise_for_status()
    except requests.RequestException as error:
        return Finding("mlflow", "missing", f"{uri} does not answer ({type(error).__name__}); start it, or give another")
    server = answer.text.strip()
    if server.split(".")[0] != installed.split(".")[0]:
        return Finding(
            "mlflow",
            "note",
            f"{uri} is MLflow {server[:20]}, here is {installed}: they may not understand each other; install one of both",
        )
    return Finding("mlflow", "ok", f"{uri}, MLflow {server}")


def _operators() -> Finding:
    """Whether torchvision was built for this torch: of a wrong pair only its operators fail."""
    try:
        from torchvision.ops import nms  # where the pair is wrong this may fail already

        nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
    except (ImportError, RuntimeError) as error:
        return Finding("torchvision", "missing", f"it does not go with this torch ({last_line(error)}); install both anew")
    return Finding("torchvision", "ok", "its operators go with this torch")


def _on_each(work: Callable[..., R], nodes: Sequence[str], *given: Any) -> dict[str, R | Exception]:
    """What `work` returns on each of these machines, or why it returns nothing."""
    asked = {
        node: ray.remote(num_cpus=0, max_retries=0)(work)
        .options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False))
        .remote(*given)
        for node in nodes
    }
    ray.wait(list(asked.values()), num_returns=len(asked), timeout=WAIT)
    found = dict[str, R | Exception]()
    for node, reference in asked.items():
        try:
            found[node] = ray.get(reference, timeout=0)
        except ray.exceptions.RayError as error:
            found[node] = error
    return found


def _try_storage(folder: str) -> None:
    """On a machine: read what the driver wrote, and write beside it. Raises ValueError where it cannot."""
    if storage.read(storage.join(folder, DRIVERS)) != PROBE:
        raise ValueError("what is read there is not what was written")
    storage.write(storage.join(folder, f"{platform.node()}-{os.getpid()}"), PROBE)


def _unlike(driver: Machine, one: Machine) -> str:
    """In what a machine differs so that it cannot run what the driver sends; empty where it does not."""
    if one.python.split(".")[:2] != driver.python.split(".")[:2]:
        return f"{one.name} has Python {one.python}, this one {driver.python}"
    for name, number in driver.packages.items():
        if one.packages.get(name) != number:
            return f"{one.name} has {name} {one.packages.get(name, 'not at all')}, this one {number}"
    return ""


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB"
