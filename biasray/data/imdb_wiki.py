"""IMDB-WIKI (Rothe, Timofte, Van Gool 2018): faces of actors, or of Wikipedia, with gender and age computed from dates."""

import io
import zlib
from collections.abc import Iterator
from datetime import date
from typing import Any, NamedTuple, final

import numpy as np
import pandas as pd
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from biasray import storage
from biasray.data.adapter import Adapter, Index, Remark
from biasray.data.importing import split_of

PARTS = ("imdb", "wiki")
GENDERS = ("Female", "Male")
OLDEST = 100
MATLAB = 366  # days from Matlab's day 0 to Python's


class _Person(NamedTuple):
    file: str
    name: str
    born: float  # Matlab's number of the day
    taken: int  # year
    gender: float
    score: float  # of the face that was found; -inf: none was
    second: float  # of another one; NaN: there is none


@final
class ImdbWiki(Adapter):
    """`imdb.mat` or `wiki.mat` beside the folders of crops, as in imdb_crop.tar and wiki_crop.tar.

    An image counts where one face was found (a finite score) and no second one, where the gender is known, and where the year
    of the photo (taken to be its middle) less the date of birth is 0 to 100 years. Half of the set and more does not: give the
    import a --most-set-aside that lets it. All images of a person are in one split.
    """

    target, bias, size = "gender", "age", 64

    def index(self, source: str) -> Index:
        rows, set_aside = [], list[Remark]()
        for person in _persons(source):
            age = _age(person)
            if age is None:
                reason = "its dates give no age"
            elif not 0 <= age <= OLDEST:
                reason = f"its dates give an age of {age}"
            elif not np.isfinite(person.score):
                reason = "no face was found in it"
            elif not np.isnan(person.second):
                reason = "two faces were found in it"
            elif person.gender not in (0, 1):
                reason = "its gender is not known"
            else:
                split = split_of(storage.checksum(person.name.encode()), None)
                rows.append((person.file, age, GENDERS[int(person.gender)], split))
                continue
            set_aside.append(Remark(person.file, reason))
        return Index(pd.DataFrame(rows, columns=["id", "age", "gender", "split"]), set_aside, [])


def _age(person: _Person) -> int | None:
    """Whole years in the middle of the year of the photo."""
    if not MATLAB < person.born < 10**6:
        return None
    born = date.fromordinal(int(person.born) - MATLAB)
    return person.taken - born.year - (born.month >= 7)


def _persons(source: str) -> Iterator[_Person]:
    there = [part for part in PARTS if storage.exists(storage.join(source, f"{part}.mat"))]
    if len(there) != 1:
        raise ValueError(
            f"{source} is not IMDB-WIKI: it holds {'both' if there else 'neither'} imdb.mat and wiki.mat; "
            "give the folder imdb_crop or wiki_crop."
        )
    file = storage.join(source, f"{there[0]}.mat")
    try:
        table: Any = loadmat(io.BytesIO(storage.read(file)), squeeze_me=True)[there[0]]
        columns = [table[name].item() for name in ("full_path", "name", "dob", "photo_taken", "gender")]
        columns += [table[name].item() for name in ("face_score", "second_face_score")]
    except (KeyError, ValueError, TypeError, IndexError, OSError, NotImplementedError, MatReadError, zlib.error) as error:
        said = " ".join(str(error).split())
        raise ValueError(f"{file} is not the file that IMDB-WIKI was published with ({said}); download it again.") from error
    for path, name, born, taken, gender, score, second in zip(*map(np.atleast_1d, columns), strict=True):
        yield _Person(str(path), str(name), float(born), int(taken), float(gender), float(score), float(second))
