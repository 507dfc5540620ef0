"""Images that memory cannot hold: one file on each machine's own disk, mapped into memory by all its processes.

Any row can still be fetched at any time, so whatever a training promises of images in memory holds here too: chosen rows,
state per example, a kill in mid-epoch, two workers. The system keeps in memory as much of the file as it has room for.
"""

import fcntl
import math
import mmap
import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import replace

import numpy as np

from biasray.data.dataset import DataSet

CHUNK = 1 << 28  # bytes of images that are read at once


def on_disk(dataset: DataSet) -> DataSet:
    """The data set with its images in a file below the temporary folder (TMPDIR), where later trainings find them again.

    The first process of a machine writes it while the others wait; a killed writer leaves nothing that would be taken
    for the whole. Raises ValueError where the disk has no room.
    """
    c, h, w = dataset.shape
    folder = os.path.join(tempfile.gettempdir(), f"biasray-{os.getuid()}")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    file = os.path.join(folder, f"{dataset.checksum}.images")
    with open(f"{file}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # which the system takes back from a process that dies
        if not os.path.exists(file):
            _write(dataset, file)
    with open(file, "rb") as images:
        store = np.frombuffer(mmap.mmap(images.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
    return replace(dataset, store=store.reshape(len(dataset.examples), h, w, c), on_disk=True)


def _write(dataset: DataSet, file: str) -> None:
    part, folder, each = f"{file}.part", os.path.dirname(file), math.prod(dataset.shape)
    with suppress(FileNotFoundError):
        os.remove(part)  # of a writer that was killed
    size, free = each * len(dataset.examples), shutil.disk_usage(folder).free
    if size > free:
        raise ValueError(
            f"The images of {dataset.name} take {size / 1e9:.1f} GB, which neither memory nor the disk at {folder} "
            f"({free / 1e9:.1f} GB free) can hold: import them at a smaller --size, or set TMPDIR to a folder on a larger disk."
        )
    rows_N = np.arange(len(dataset.examples)) if dataset.reading is None else dataset.reading
    try:
        with open(part, "wb") as images:
            for rows_C in np.split(rows_N, range(0, len(rows_N), max(1, CHUNK // each))[1:]):
                for row, image in zip(rows_C, dataset.images(rows_C), strict=True):
                    os.pwrite(images.fileno(), image.tobytes(), int(row) * each)
            os.fsync(images.fileno())  # or a machine that breaks down could leave a whole file of nothing
        os.rename(part, file)
    except OSError as error:
        with suppress(OSError):
            os.remove(part)
        raise ValueError(f"Cannot write the images of {dataset.name} to {file}: {error.strerror}.") from error
