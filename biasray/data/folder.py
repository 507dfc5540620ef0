"""One's own pictures: a folder of images with a CSV of labels, or Parquet files that hold both."""

from collections.abc import Callable
from typing import final

import pandas as pd

from biasray import storage
from biasray.data.adapter import Adapter, Index, Remark
from biasray.data.dataset import OWN_COLUMNS, has_label
from biasray.data.decode import Changed, Encoded
from biasray.data.labelling import beside, read_csv, refuse_twice
from biasray.data.parquet import ParquetImages, is_parquet

_SPLITS = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}
_MOST_CODES = 20


@final
class Folder(Adapter):
    """A row for each image: its file below the source folder in the column `file` (or else the first one), `split`
    where there are splits, and attributes in all other columns but `id` and `hash`. Where one of them is blank an image has no
    label of it; images without any attribute can be mapped, but not learnt from.

    Whole numbers of more than 20 values are numbers, such as an age; all else is named values.
    """

    target, bias, size, anyones = None, None, 64, True

    def __init__(self, labels: str | None = None) -> None:
        self.labels = labels

    def index(self, source: str) -> Index:
        table, set_aside = self._table(source)
        attributes = [name for name in table.columns if name not in ("file", *OWN_COLUMNS)]
        noted = [Remark(file, f"its {name} is blank") for name in attributes for file in table["file"][table[name] == ""]]
        if "split" in table:
            known_N = table["split"].isin(_SPLITS)
            set_aside += [
                Remark(file, f"split '{split}' is none of {', '.join(_SPLITS)}")
                for file, split in table.loc[~known_N, ["file", "split"]].itertuples(index=False)
            ]
            table = table[known_N].assign(split=self._splits(table["split"][known_N]))
        columns = ["file", *attributes, *(["split"] if "split" in table else [])]
        rows = table[columns].rename(columns={"file": "id"})
        return Index(rows.assign(**{name: _typed(rows[name]) for name in attributes}), set_aside, noted)

    def reader(self, source: str) -> Callable[[str], Encoded | Changed]:
        return ParquetImages(source).reader() if self.labels is None else super().reader(source)

    def _table(self, source: str) -> tuple[pd.DataFrame, list[Remark]]:
        if self.labels is None:
            if not is_parquet(source):
                raise ValueError(f"{source} holds no Parquet files, so its labels must come from --labels, a CSV.")
            table = ParquetImages(source).labels()
            refuse_twice(table["file"], source)
            return table, []
        if not storage.exists(self.labels):
            raise ValueError(f"There is no labels file {self.labels}; give --labels a CSV.")
        table = read_csv(self.labels)
        if "file" not in table:
            table = table.rename(columns={table.columns[0]: "file"})
        refuse_twice(table["file"], self.labels)
        return beside(table, source)

    def _splits(self, split_N: pd.Series) -> pd.Series:
        split_N = split_N.map(_SPLITS)
        if not {"train", "test"} <= set(split_N):
            raise ValueError(
                f"The column split of {self.labels or 'the Parquet files'} needs both train and test, or leave it out."
            )
        return split_N if "validation" in set(split_N) else split_N.replace("train", "trainval")


def _typed(text_N: pd.Series) -> pd.Series:
    known_R = text_N[has_label(text_N)]
    if known_R.nunique() <= _MOST_CODES or not known_R.str.fullmatch(r"-?\d{1,18}").all():
        return text_N
    return known_R.astype("int64").reindex(text_N.index)
