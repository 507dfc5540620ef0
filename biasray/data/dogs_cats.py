"""Dogs & Cats (Kaggle 2013): train/cat.N.jpg and train/dog.N.jpg, with the brightness of the fur as bias (Kim et al. 2019).

Who published that bias has list_bright.txt and list_dark.txt, names of the files of either kind; where they are beside the
images they are used, and images in neither are set aside. Otherwise brightness is measured: an image is bright where the
mean grey of its middle, which is mostly animal, is above the median of all images; that takes minutes for all 25,000.
"""

import re
from typing import final

import numpy as np
import pandas as pd
from tqdm import tqdm

from biasray import storage
from biasray.data.adapter import Adapter, Index, Remark
from biasray.data.decode import decode

LISTS = {"bright": "list_bright.txt", "dark": "list_dark.txt"}
_NAME = re.compile(r"(cat|dog)\.\d+\.jpg")
_SMALL, _MIDDLE = 32, slice(8, 24)  # pixels that brightness is measured on


@final
class DogsCats(Adapter):
    target, bias, size = "animal", "brightness", 64

    def index(self, source: str) -> Index:
        inside = "train/" if storage.exists(storage.join(source, "train")) else ""
        files = [name for name in storage.names(storage.join(source, inside)) if _NAME.fullmatch(name)]
        if not files:
            raise ValueError(f"{source} is not Dogs & Cats: it holds no cat.N.jpg or dog.N.jpg; give the folder of train/.")
        table = pd.DataFrame({"id": [inside + name for name in files], "animal": [name[:3] for name in files]})
        lists = {kind: storage.join(source, name) for kind, name in LISTS.items()}
        given = [storage.exists(file) for file in lists.values()]
        if any(given) and not all(given):
            raise ValueError(f"{source} has only one of {' and '.join(LISTS.values())}; add the other, or remove it.")
        kind_N, reason = (_listed(lists, files), "in neither list") if all(given) else (_measured(source, table), "no image")
        table["brightness"] = kind_N
        unknown_N = table["brightness"].isna()
        return Index(table[~unknown_N], [Remark(file, reason) for file in table["id"][unknown_N]], [])


def _listed(lists: dict[str, str], files: list[str]) -> list[str | None]:
    kind: dict[str, str] = {}
    for name, file in lists.items():
        for line in storage.read(file).decode(errors="replace").splitlines():
            found = _NAME.search(line)
            if found:
                kind[found[0]] = name
    return [kind.get(file) for file in files]


def _measured(source: str, table: pd.DataFrame) -> list[str | None]:
    grey_N = np.full(len(table), np.nan)
    for n, name in enumerate(tqdm(table["id"], desc="measuring brightness", unit=" images", mininterval=0.5, delay=1)):
        encoded = storage.read(storage.join(source, name))
        try:
            grey_N[n] = decode(encoded, _SMALL, "L")[_MIDDLE, _MIDDLE].mean()
        except ValueError:
            continue  # it stays unknown, and is set aside with that reason
    median = np.nanmedian(grey_N) if np.isfinite(grey_N).any() else np.nan
    return [None if np.isnan(grey) else "bright" if grey > median else "dark" for grey in grey_N]
