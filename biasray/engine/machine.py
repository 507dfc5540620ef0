"""One machine, as a process on it sees it."""

import os
import platform
import resource
import shutil
import tempfile
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

import torch

from biasray.engine.cluster import memory
from biasray.process import knows_bf16

PACKAGES = ("ray", "torch", "torchvision", "mlflow", "numpy", "pandas", "pyarrow")
SHARED = "/dev/shm"  # where Ray keeps what the processes of a machine share


class Gpu(NamedTuple):
    name: str
    memory: int  # bytes


class Machine(NamedTuple):
    name: str
    python: str
    packages: dict[str, str]  # version by name, of those that are installed
    cores: int
    bf16: bool  # whether its processor multiplies in bf16
    gpus: tuple[Gpu, ...]
    memory: int  # bytes, of the container where this is one
    shared: int  # bytes free in shared memory; 0 where there is none
    disk: int  # bytes free below TMPDIR
    temporary: str
    files: int  # that a process may have open


def machine() -> Machine:
    """This one."""
    cuda = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    return Machine(
        platform.node(),
        platform.python_version(),
        {name: found for name in PACKAGES if (found := _version(name))},
        len(os.sched_getaffinity(0)),
        knows_bf16(),
        tuple(Gpu(torch.cuda.get_device_name(k), torch.cuda.get_device_properties(k).total_memory) for k in cuda),
        memory(),
        shutil.disk_usage(SHARED).free if os.path.isdir(SHARED) else 0,
        shutil.disk_usage(tempfile.gettempdir()).free,
        tempfile.gettempdir(),
        resource.getrlimit(resource.RLIMIT_NOFILE)[0],
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
