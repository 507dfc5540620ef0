"""One's own pictures: a folder of images with a CSV of labels, or Parquet files that hold both."""

from collections.abc import Callable
from typing import final

import pandas as pd

from biasray import storage
from biasray.data.adapter import Adapter, Index, Remark
from biasray.data.dataset import OWN_COLUMNS
from biasray.data.decode import Changed, Encoded
from biasray.data.labelling import beside, read_csv, refuse_twice
from biasray.data.parquet import ParquetImages, is_parquet

_SPLITS = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}
_MOST_CODES = 20


@final
class Folder(Adapter):
    """A row for each image: its file below the source folder in the column `file` (or else the first one), `split`
    where there are splits, and attributes in all other columns but `id` and `hash`.

    Whole numbers of more than 20 values are numbers, such as an age; all else is named values.
    """

    target, bias, size, anyones = None, None, 64, True

    def __init__(self, labels: str | None = None) -> None:
        self.labels = labels

    def index(self, source: str) -> Index:
        table, set_aside = self._table(source)
        attributes = [name for name in table.columns if name not in ("file", *OWN_COLUMNS)]
        if not attributes:
            raise ValueError(
                f"{self.labels or source} has no column of labels besides the files' names; add one per attribute."
            )
        for name in attributes:
            blank_N = table[name] == ""
            set_aside += [Remark(file, f"its {name} is blank") for file in table["file"][blank_N]]
            table = table[~blank_N]
        if "split" in table:
            known_N = table["split"].isin(_SPLITS)
            set_aside += [
                Remark(file, f"split '{split}' is none of {', '.join(_SPLITS)}")
                for file, split in table.loc[~known_N, ["file", "split"]].itertuples(index=False)
            ]
            table = table[known_N].assign(split=self._splits(table["split"][known_N]))
        columns = ["file", *attributes, *(["split"] if "split" in table else [])]
        rows = table[columns].rename(columns={"file": "id"})
        return Index(rows.assign(**{name: _typed(rows[name]) for name in attributes}), set_aside, [])

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
    is_number = text_N.nunique() > _MOST_CODES and text_N.str.fullmatch(r"-?\d{1,18}").all()
    return text_N.astype("int64") if is_number else text_N
