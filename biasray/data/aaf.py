"""All-Age-Faces (Cheng, Li, Wang, Yu, Wang 2019): mostly Asian faces of 2 to 80 years, with age and gender."""

import re
from typing import final

import pandas as pd

from biasray import storage
from biasray.data.adapter import Adapter, Index, Remark

GENDERS = ("Female", "Male")  # the other way round from UTKFace
FACES, LISTS = "aligned faces", {"train": "trainval", "val": "test"}
FIRST_MAN = 7381
_NAME = re.compile(r"(\d{5})A(\d{2})\.jpg")


@final
class AAF(Adapter):
    """`aligned faces/NNNNNAYY.jpg`: number and age; women have the numbers below 7381.

    The lists `image sets/train.txt` and `val.txt`, lines of name and gender (0 female), give the splits where they are there:
    val is the test split. A face that is in no list, or whose gender there is not that of its number, is set aside.
    """

    target, bias, size = "gender", "age", 64

    def index(self, source: str) -> Index:
        files = [name for name in storage.names(storage.join(source, FACES)) if name.lower().endswith(".jpg")]
        if not files:
            raise ValueError(f"{source} is not All-Age-Faces: it holds no .jpg files in '{FACES}'; give the folder above that.")
        listed = _listed(source)
        rows, set_aside = [], list[Remark]()
        for file in files:
            name, found = f"{FACES}/{file}", _NAME.fullmatch(file)
            if not found:
                set_aside.append(Remark(name, "its name is not a number of five digits, A, an age of two digits, .jpg"))
                continue
            gender = GENDERS[int(found[1]) >= FIRST_MAN]
            split, said = listed.get(file, ("", "")) if listed else (None, gender)
            if said == gender:
                rows.append((name, int(found[2]), gender, split))
            else:
                reason = f"gender {gender} by its number, {said} by the list" if said else "in no list of 'image sets'"
                set_aside.append(Remark(name, reason))
        table = pd.DataFrame(rows, columns=["id", "age", "gender", "split"])
        return Index(table if listed else table.drop(columns="split"), set_aside, [])


def _listed(source: str) -> dict[str, tuple[str, str]]:
    """Split and gender of each face by its name; raises ValueError for lines of another form."""
    found: dict[str, tuple[str, str]] = {}
    for name, split in LISTS.items():
        file = storage.join(source, "image sets", f"{name}.txt")
        if not storage.exists(file):
            continue
        for line in filter(None, map(str.strip, storage.read(file).decode(errors="replace").splitlines())):
            face, _, code = line.rpartition(" ")
            if code not in ("0", "1") or not face:
                raise ValueError(f"{file} has the line '{line[:40]}', not a name and a gender of 0 or 1; unpack it again.")
            found[face.strip()] = split, GENDERS[int(code)]
    return found
