"""UTKFace, aligned and cropped (Zhang, Song, Qi 2017): age, gender and race stand in each file's name."""

import re
from typing import final

import pandas as pd

from biasray import storage
from biasray.data.adapter import Adapter, Index, Remark

GENDERS = ("Male", "Female")
RACES = ("White", "Black", "Asian", "Indian", "Others")
_REGULAR = re.compile(r"(\d{1,3})_([01])_([0-4])_\d{17}\.jpg(\.chip\.jpg)?")
_READABLE = re.compile(r"(\d{1,3})_([01])_([0-4])_\d{14,20}\D.*")
_OLDEST = 116


@final
class UTKFace(Adapter):
    """Files are called AGE_GENDER_RACE_STAMP.jpg.chip.jpg; eight names of the original are irregular.

    Those whose three labels can be read all the same are used and noted; those without a race are set aside.
    """

    target, bias, size = "gender", "race", 64

    def index(self, source: str) -> Index:
        files = [name for name in storage.names(source) if name.lower().endswith((".jpg", ".jpeg", ".png"))]
        if not files:
            raise ValueError(f"{source} is not UTKFace: it holds no .jpg files; give the folder of the aligned faces itself.")
        rows, set_aside, noted = [], list[Remark](), list[Remark]()
        for file in files:
            found = _READABLE.fullmatch(file)
            if not found:
                set_aside.append(
                    Remark(file, "its name is not AGE_GENDER_RACE_STAMP.jpg, so a label is missing or out of range")
                )
            elif int(found[1]) > _OLDEST:
                set_aside.append(Remark(file, f"age {found[1]} is above {_OLDEST}"))
            else:
                rows.append((file, int(found[1]), GENDERS[int(found[2])], RACES[int(found[3])]))
                if not _REGULAR.fullmatch(file):
                    noted.append(Remark(file, f"irregular name, read as age {found[1]}, {rows[-1][2]}, {rows[-1][3]}"))
        return Index(pd.DataFrame(rows, columns=["id", "age", "gender", "race"]), set_aside, noted)
