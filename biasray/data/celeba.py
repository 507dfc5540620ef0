"""CelebA, aligned and cropped (Liu, Luo, Wang, Tang 2015): faces with 40 attributes that are there or not.

img_align_celeba/000001.jpg beside list_attr_celeba.txt (a count, a header, then 1 or -1 for each attribute) and
list_eval_partition.txt (0 training, 1 validation, 2 test), or both as .csv with a header, as Kaggle has them.
"""

from typing import final

import pandas as pd

from biasray import storage
from biasray.data.adapter import Adapter, Index, Remark
from biasray.data.labelling import beside, read_csv, refuse_twice

IMAGES = "img_align_celeba"
ATTRIBUTES, PARTITION = "list_attr_celeba", "list_eval_partition"
_THERE = {"1": "yes", "-1": "no", "0": "no"}  # some copies on Kaggle write 0
_SPLITS = {"0": "train", "1": "validation", "2": "test"}


@final
class CelebA(Adapter):
    target, bias, size = "Big_Nose", "Male", 64

    def index(self, source: str) -> Index:
        table, inside = _table(source, ATTRIBUTES), _folder(source)
        names = list(table.columns[1:])
        for name in names:
            table[name] = _coded(table[name], _THERE, f"{name} of {ATTRIBUTES}")
        partition = _table(source, PARTITION, ["file", "split"])
        placed_N = table["file"].isin(partition["file"])
        nowhere = [Remark(inside + file, f"not in {PARTITION}") for file in table["file"][~placed_N]]
        split_N = table["file"][placed_N].map(partition.set_index("file")["split"])
        table = table[placed_N].assign(split=_coded(split_N, _SPLITS, PARTITION))
        rows, missing = beside(table.assign(file=inside + table["file"]), source)
        return Index(rows.rename(columns={"file": "id"}), [*nowhere, *missing], [])


def _table(source: str, stem: str, names: list[str] | None = None) -> pd.DataFrame:
    """A table of texts whose first column is the file, from either form; `names` are its columns where they are known."""
    csv, txt = (storage.join(source, stem + end) for end in (".csv", ".txt"))
    if storage.exists(csv):
        table = read_csv(csv)
    elif storage.exists(txt):
        table = _text(txt, names)
    else:
        raise ValueError(
            f"{source} is not CelebA: it holds neither {stem}.txt nor {stem}.csv; give the folder of both lists, with "
            f"{IMAGES} beside them."
        )
    if len(table.columns) < 2 or (names and len(table.columns) != len(names)):
        raise ValueError(f"{stem} has {len(table.columns)} columns, not those of CelebA; download it again.")
    table = table.set_axis(names or ["file", *table.columns[1:]], axis=1)
    refuse_twice(table["file"], stem)
    return table


def _text(file: str, names: list[str] | None) -> pd.DataFrame:
    """Words between blanks, a line an image."""
    lines = [line.split() for line in storage.read(file).decode(errors="replace").splitlines()]
    if names is None:
        names, lines = ["file", *(lines[1] if len(lines) > 1 else [])], lines[2:]  # the first line counts the images
    rows = [line for line in lines if line]
    odd = next((line for line in rows if len(line) != len(names)), None)
    if odd or not rows:
        raise ValueError(f"{file} has no {len(names)} words in the line '{' '.join(odd or [])[:60]}'; download it again.")
    return pd.DataFrame(rows, columns=names)


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
