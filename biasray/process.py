"""What a process that trains sets for itself, and takes: torch's threads, and memory."""

import ctypes
import os
from pathlib import Path

import torch

KEPT = 2**30  # bytes
FORGET = "/proc/self/clear_refs"
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's mallopt(3)


def settle(threads: int | None) -> None:
    """Before training: so many torch threads (None: as they are), and no memory given back that the next step asks for.

    By default glibc returns every tensor of some megabytes to the system as it is freed, and the kernel clears the
    pages of the next one: a quarter of the time of a zoo on a CPU. Without glibc nothing changes.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt and mallopt(M_MMAP_THRESHOLD, KEPT):
        mallopt(M_TRIM_THRESHOLD, KEPT)


def knows_bf16() -> bool:
    """Whether this machine's processor multiplies in bf16."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def forget_peak() -> None:
    """From now on `own_memory` tells the most that is taken after this."""
    if torch.cuda.is_initialized():
        torch.cuda.reset_peak_memory_stats()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)  # what an earlier training left is not this one's
    if os.access(FORGET, os.W_OK):
        Path(FORGET).write_text("5")  # see proc(5)


def peak_memory(device: torch.device) -> int:
    """Bytes that training took when it took most: of the GPU's memory where it runs on one, else as `own_memory`."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else own_memory()


def own_memory() -> int:
    """Bytes of memory that this process had to itself when it took most: files and what others share do not count.

    0 on a system that does not tell.
    """
    status, names = Path("/proc/self/status"), ("VmHWM", "RssFile", "RssShmem")
    said = dict(line.split(":", 1) for line in status.read_text().splitlines()) if status.exists() else {}
    if not set(names) <= set(said):
        return 0
    peak, files, shared = (1024 * int(said[name].removesuffix("kB")) for name in names)
    return peak - files - shared
