"""MNIST in its IDX files (LeCun, Cortes, Burges 1998), stored grey; it is coloured when it is biased."""

import gzip
import struct
import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biasray import storage
from biasray.data.adapter import Adapter, Index, Remark

_FILES = {"test": "t10k", "train": "train"}


@lru_cache(maxsize=4)
def read_idx(source: str, stem: str, axes: int) -> NDArray[np.uint8]:
    """The array of an IDX file of bytes, gzipped or not; raises ValueError where it is missing or broken."""
    kind = f"idx{axes}-ubyte"
    names = [f"{stem}{dot}{kind}{end}" for dot in ("-", ".") for end in (".gz", "")]
    name = next((n for n in names if storage.exists(storage.join(source, n))), None)
    if name is None:
        raise ValueError(
            f"{source} is not MNIST: it has no {names[0]} (nor {names[1]}); give the folder of the four IDX files."
        )
    try:
        data = storage.read(storage.join(source, name))
        data = gzip.decompress(data) if name.endswith(".gz") else data
        shape = struct.unpack(f">{axes}I", data[4 : 4 + 4 * axes])
        if data[:4] != bytes([0, 0, 8, axes]):
            raise ValueError("its header is not that of an IDX file of bytes")
        return np.frombuffer(data, np.uint8, offset=4 + 4 * axes).reshape(shape)
    except (OSError, EOFError, struct.error, zlib.error, ValueError) as error:
        raise ValueError(f"{storage.join(source, name)} cannot be read ({error}); download it again.") from error


@final
class MNIST(Adapter):
    target, bias, mode, size, network = "digit", "colour", "L", 28, "mlp"

    def index(self, source: str) -> Index:
        tables, set_aside = [], list[Remark]()
        for split, stem in _FILES.items():
            labels = read_idx(source, f"{stem}-labels", 1)
            n_images = len(read_idx(source, f"{stem}-images", 3))
            if len(labels) != n_images:
                raise ValueError(f"{source} has {n_images:,} {split} images but {len(labels):,} labels; download both again.")
            ids = [f"{split}-{i:05d}" for i in range(len(labels))]
            table = pd.DataFrame({"id": ids, "split": "trainval" if split == "train" else "test", "digit": labels.astype(str)})
            set_aside += [Remark(i, f"label {d} is not 0 to 9") for i, d in zip(ids, labels, strict=True) if d > 9]
            tables.append(table[labels <= 9])
        return Index(pd.concat(tables, ignore_index=True), set_aside, [])

    def reader(self, source: str) -> Callable[[str], NDArray[np.uint8]]:
        def read(example: str) -> NDArray[np.uint8]:
            split, row = example.split("-")
            image: NDArray[np.uint8] = read_idx(source, f"{_FILES[split]}-images", 3)[int(row)]
            return image

        return read
