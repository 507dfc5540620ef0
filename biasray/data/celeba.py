"""CelebA, aligned and cropped (Liu, Luo, Wang, Tang 2015): faces with 40 attributes that are there or not.

img_align_celeba/000001.jpg beside list_attr_celeba.txt (a count, a header, then 1 or -1 for each attribute) and
list_eval_partition.txt (0 training, 1 validation, 2 test), or both as .csv with a header, as Kaggle has them.
"""

import io
from typing import final

import pandas as pd

from biasray import storage
from biasray.data.adapter import Adapter, Index
from biasray.data.labelling import beside, read_csv, refuse_twice

IMAGES = "img_align_celeba"
ATTRIBUTES, PARTITION = "list_attr_celeba", "list_eval_partition"
_THERE = {"1": "yes", "-1": "no", "0": "no"}  # some copies on Kaggle write 0
_SPLITS = {"0": "train", "1": "validation", "2": "test"}


@final
class CelebA(Adapter):
    target, bias, size = "Big_Nose", "Male", 64

    def index(self, source: str) -> Index:
        table = _table(source, ATTRIBUTES)
        names = list(table.columns[1:])
        for name in names:
            table[name] = _coded(table[name], _THERE, f"{name} of {ATTRIBUTES}")
        partition = _table(source, PARTITION, ["file", "split"]).set_axis(["file", "split"], axis=1)
        table["split"] = _coded(table["file"].map(partition.set_index("file")["split"]), _SPLITS, PARTITION)
        inside = _folder(source)
        rows, missing = beside(table.assign(file=inside + table["file"]), source)
        return Index(rows.rename(columns={"file": "id"}), missing, [])


def _table(source: str, stem: str, names: list[str] | None = None) -> pd.DataFrame:
    """A table of texts whose first column is the file, from either form."""
    csv, txt = (storage.join(source, stem + end) for end in (".csv", ".txt"))
    if storage.exists(csv):
        table = read_csv(csv)
    elif storage.exists(txt):
        text = storage.read(txt)
        lines = io.BytesIO(text)
        if names is None:
            lines.readline()  # the count
            names = ["file", *lines.readline().decode().split()]
        table = pd.read_csv(lines, sep=r"\s+", names=names, dtype=str, keep_default_na=False)
    else:
        raise ValueError(
            f"{source} is not CelebA: it holds neither {stem}.txt nor {stem}.csv; give the folder of both lists, with "
            f"{IMAGES} beside them."
        )
    table = table.rename(columns={table.columns[0]: "file"})
    refuse_twice(table["file"], stem)
    return table


def _coded(code_N: pd.Series, names: dict[str, str], where: str) -> pd.Series:
    named_N = code_N.map(names)
    if named_N.isna().any():
        odd = code_N[named_N.isna()].iloc[0]
        raise ValueError(f"{where} has the value '{odd}', which is none of {', '.join(names)}; download the list again.")
    return named_N


def _folder(source: str) -> str:
    """Where the images lie: Kaggle's archive has the folder twice."""
    twice = storage.join(source, IMAGES, IMAGES)
    return f"{IMAGES}/{IMAGES}/" if storage.exists(twice) else f"{IMAGES}/"
