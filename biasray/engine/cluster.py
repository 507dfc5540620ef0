"""Connecting to Ray: the cluster that a job was submitted to, or a quiet local one; and what it has."""

import logging
import os
import socket
import tempfile
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import ray
import torch

from biasray.data.dataset import DataSet
from biasray.experiment import Compute


def joined() -> bool:
    """Whether a cluster is given: this is a submitted job, or RAY_ADDRESS was set by hand."""
    return "RAY_ADDRESS" in os.environ


def submitted() -> bool:
    """Whether this process is a submitted job, which runs in a temporary copy of its working directory."""
    return "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ


def connect() -> None:
    """Start or join Ray once in this process. Its own messages are silenced below errors.

    Without RAY_ADDRESS it is always a Ray of our own: a bare `ray.init()` would wait for ever for one that a file in
    /tmp speaks of and that has died since.

    Raises ValueError where no cluster answers at RAY_ADDRESS, or where that is the address for jobs.
    """
    if ray.is_initialized():
        return
    logging.getLogger("ray").setLevel(logging.ERROR)
    at = os.environ.get("RAY_ADDRESS", "")
    if at.startswith("http"):
        raise ValueError(f"RAY_ADDRESS {at} takes jobs: submit this as one (ray job submit), or unset RAY_ADDRESS to run here.")
    if not _answers(at):
        raise ValueError(f"No Ray cluster answers at RAY_ADDRESS {at}: start it, or unset RAY_ADDRESS to run here.")
    address, dashboard = (None, None) if joined() else ("local", False)
    for tries_left in (1, 0):
        try:
            ray.init(address, include_dashboard=dashboard, log_to_driver=False, logging_level=logging.ERROR)
            return
        except Exception as error:  # Ray raises bare ones where a slow machine takes too long to start it
            ray.shutdown()
            if joined() or not tries_left:
                raise ValueError(f"Ray cannot be {'joined at ' + at if at else 'started here'}: {error}") from error
            # What the first try has read from disk is at hand for the second.


def _answers(address: str) -> bool:
    """Whether something listens at HOST:PORT: Ray itself would try for minutes. Other addresses are Ray's to judge."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return True
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError:
        return False
    return True


def gpus() -> int:
    """GPUs of the cluster as it is."""
    return int(ray.cluster_resources().get("GPU", 0))


def device(compute: Compute) -> torch.device:
    """What the cells will be trained on: the joined cluster's kind of device, or this machine's.

    Raises ValueError for a device that is not there, and for numbers of workers that make no sense.
    """
    fewest = compute.workers if compute.min_workers is None else compute.min_workers
    if not 1 <= fewest <= compute.workers:
        raise ValueError(f"--workers {compute.workers} and --min-workers {fewest}: give 1 or more, and no fewer --workers.")
    if not 0 < compute.gpu_share <= 1:
        raise ValueError(f"--gpu-share is a part of one GPU, above 0 and at most 1, not {compute.gpu_share:g}.")
    if compute.gpu_share < 1 < compute.workers:
        raise ValueError("Workers that share a training need a GPU each: leave out --gpu-share, or --workers.")
    if not joined():
        return compute.start()
    connect()
    if compute.device not in ("auto", "cpu", "cuda"):
        raise ValueError(f"On a cluster --device is auto, cpu or cuda, not {compute.device}.")
    # A cluster that has no GPU yet may grow by one that is asked for.
    return torch.device("cuda" if compute.device == "cuda" or (compute.device == "auto" and gpus()) else "cpu")


def fits(dataset: DataSet, room: float) -> bool:
    """Whether so many bytes of memory hold all images; warns where they do not."""
    if dataset.size <= room:
        return True
    warnings.warn(
        f"The images of {dataset.name} take {dataset.size / 1e9:.1f} GB and memory has room for {room / 1e9:.1f} GB, so each "
        f"machine keeps them in a file below {tempfile.gettempdir()} (TMPDIR), for later trainings too: delete it in the end.",
        stacklevel=2,
    )
    return False


def memory() -> int:
    """Bytes of memory of this machine, or of the container that this process is in."""
    held = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    with suppress(OSError, ValueError):  # no such file, or "max"
        held.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return min(held)


def shared_memory() -> float:
    """Bytes that the processes of a machine can share, on the smallest machine of the cluster as it is."""
    return min((node["Resources"].get("object_store_memory", 0.0) for node in ray.nodes() if node["Alive"]), default=0.0)


def room(each: Mapping[str, float]) -> int:
    """Workers with these resources each that the machines of the cluster have room for, as it is, were they idle."""
    held: list[dict[str, Any]] = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return sum(min(int(node.get(kind, 0) // amount) for kind, amount in each.items() if amount) for node in held)


def refuse_too_much(workers: int, each: Mapping[str, float]) -> None:
    """Raise ValueError where this machine can never give so many workers with these resources each.

    A joined cluster may grow, so there it is only warned of.
    """
    if (found := room(each)) >= workers:
        return
    held, wanted = ray.cluster_resources(), {kind: amount for kind, amount in each.items() if amount}
    has = ", ".join(f"{held.get(kind, 0):g} {kind}s" for kind in wanted)
    asked = " and ".join(f"{amount:g} {kind}" for kind, amount in wanted.items())
    said = f"--workers {workers} with {asked} each is more than there is: {has}, room for {found}"
    if not joined():
        raise ValueError(f"{said}; ask for fewer, or join a larger cluster by RAY_ADDRESS.")
    warnings.warn(f"{said}. It waits for the cluster to grow; stop it if it cannot.", stacklevel=2)
