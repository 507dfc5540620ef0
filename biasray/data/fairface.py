"""FairFace (Karkkainen and Joo 2021): faces with an age band, a gender and one of seven races."""

import re
from collections.abc import Callable
from typing import final

import pandas as pd

from biasray import storage
from biasray.data.adapter import Adapter, Index, Remark
from biasray.data.decode import Changed, Encoded
from biasray.data.labelling import beside, read_csv, refuse_twice
from biasray.data.parquet import ParquetImages, is_parquet

CSVS = ("fairface_label_train.csv", "fairface_label_val.csv")
GENDERS = ("Male", "Female")
RACES = ("White", "Black", "Latino_Hispanic", "East Asian", "Southeast Asian", "Indian", "Middle Eastern")
_ENDS = {f"{low}-{high}": {low, high} for low, high in ((0, 2), (3, 9), *((d, d + 9) for d in range(10, 70, 10)))}
AGES = (*_ENDS, "more than 70")
_MONTHS = {"mar": 3, "sep": 9, "oct": 10}  # those that bands can be mistaken for


def age_band(text: str) -> str | None:
    """The band that a text stands for, None where that is not sure.

    Spreadsheets take 3-9 and 10-19 for dates: 9-Mar, 03-Sep, 2024-03-09; 19-Oct, Oct-19, 2019-10-01.
    """
    if text in AGES:
        return text
    numbers = {int(number) % 100 for number in re.findall(r"\d+", text)}
    numbers |= {number for month, number in _MONTHS.items() if month in text.lower()}
    bands = [band for band, ends in _ENDS.items() if ends <= numbers]
    return bands[0] if len(bands) == 1 else None


@final
class FairFace(Adapter):
    """`fairface_label_train.csv` and `fairface_label_val.csv`, either or both, beside the folders train/ and val/; or
    Parquet files with the same columns and the images.

    Where both are there, val is the test split and train is divided into training and validation.
    """

    target, bias, size = "gender", "race", 64

    def index(self, source: str) -> Index:
        table, missing = _labels(source)
        rows, set_aside, noted = [], missing, list[Remark]()
        for file, age, gender, race in table[["file", "age", "gender", "race"]].itertuples(index=False):
            band = age_band(age)
            if band is None:
                set_aside.append(Remark(file, f"age '{age}' is none of {', '.join(AGES)}"))
            elif gender not in GENDERS:
                set_aside.append(Remark(file, f"gender '{gender}' is none of {', '.join(GENDERS)}"))
            elif race not in RACES:
                set_aside.append(Remark(file, f"race '{race}' is none of {', '.join(RACES)}"))
            else:
                rows.append((file, band, gender, race))
                if band != age:
                    noted.append(Remark(file, f"age '{age}' read as {band}"))
        found = pd.DataFrame(rows, columns=["id", "age", "gender", "race"])
        is_val_N = found["id"].str.startswith("val/")
        if is_val_N.any() and not is_val_N.all():
            found["split"] = is_val_N.map({True: "test", False: "trainval"})
        return Index(found, set_aside, noted)

    def reader(self, source: str) -> Callable[[str], Encoded | Changed]:
        return super().reader(source) if _csvs(source) else ParquetImages(source).reader()


def _csvs(source: str) -> list[str]:
    return [storage.join(source, name) for name in CSVS if storage.exists(storage.join(source, name))]


def _labels(source: str) -> tuple[pd.DataFrame, list[Remark]]:
    """Every labelled image, and those that are not there."""
    csvs = _csvs(source)
    if csvs:
        table = pd.concat([read_csv(csv) for csv in csvs], ignore_index=True)
    elif is_parquet(source):
        table = ParquetImages(source).labels()
    else:
        raise ValueError(
            f"{source} is not FairFace: it holds neither {CSVS[0]} nor {CSVS[1]} nor Parquet files; "
            "give the folder of the labels, with the images in train/ and val/ beside them."
        )
    absent = [name for name in ("file", "age", "gender", "race") if name not in table]
    if absent:
        raise ValueError(f"{source} is not FairFace: its labels have no column {', '.join(absent)}; download them again.")
    refuse_twice(table["file"], source)
    return beside(table, source) if csvs else (table, [])
