"""Coloured MNIST as images in folders, as published with Lee et al. 2021 (Disentangled Feature Augmentation).

cmnist/{0.5,1,2,5}pct/{align,conflict}/DIGIT/*_DIGIT_COLOUR.png     training
cmnist/{0.5,1,2,5}pct/valid/*_DIGIT_COLOUR.png                      validation, in some copies by digit too
cmnist/test/DIGIT/*_DIGIT_COLOUR.png                                test, the same for all shares of conflicts
"""

import re
from collections.abc import Callable
from typing import final

import pandas as pd

from biasray import storage
from biasray.data.adapter import Adapter, Index, Remark

_TRAIN = ("align", "conflict")
_NAME = re.compile(r".*_(\d)_(\d)\.png")


@final
class CMNIST(Adapter):
    """One share of conflicting examples; digit k goes with colour k. Without valid/ a tenth of training validates."""

    target, bias, size, network = "digit", "colour", 28, "mlp"

    def index(self, source: str) -> Index:
        files = {part: _files(source, part) for part in (*_TRAIN, "test", "valid")}
        for part in (*_TRAIN, "test"):
            if not files[part]:
                raise ValueError(
                    f"{source} is not coloured MNIST in folders: {storage.join(_top(source, part), part)} holds no images; "
                    "give one of the folders 0.5pct, 1pct, 2pct or 5pct, with test beside it."
                )
        split = {"test": "test", "valid": "validation", **dict.fromkeys(_TRAIN, "train" if files["valid"] else "trainval")}
        rows, set_aside = [], list[Remark]()
        for part, file in [(part, file) for part, found in files.items() for file in found]:
            labels = _NAME.fullmatch(file)
            if not labels:
                set_aside.append(Remark(file, "its name does not end in _DIGIT_COLOUR.png"))
            elif part in _TRAIN and (labels[1] == labels[2]) != (part == "align"):
                set_aside.append(Remark(file, f"digit {labels[1]} with colour {labels[2]} does not belong in {part}"))
            else:
                rows.append((file, labels[1], labels[2], split[part]))
        return Index(pd.DataFrame(rows, columns=["id", "digit", "colour", "split"]), set_aside, [])

    def reader(self, source: str) -> Callable[[str], bytes]:
        return lambda example: storage.read(storage.join(_top(source, example.partition("/")[0]), example))


def _top(source: str, part: str) -> str:
    """The folder that holds a part: test lies beside the source."""
    return storage.split(source)[0] if part == "test" else source


def _files(source: str, part: str) -> list[str]:
    """Images of a part, in it or one folder further down, as paths from the folder that holds it."""
    top = _top(source, part)
    files = []
    for name in storage.names(storage.join(top, part)):
        if name.endswith(".png"):
            files.append(f"{part}/{name}")
        else:
            inside = storage.names(storage.join(top, part, name))
            files += [f"{part}/{name}/{file}" for file in inside if file.endswith(".png")]
    return files
