"""A second opinion on labels: those that another model's predictions contradict wait until a person has looked.

Yadav and Ramakrishnan, section 3.1: ages and genders that were scraped count where a model says the same gender and an age at
most 5 years away; what is left is looked at by hand.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biasray.data.adapter import Index, Remark
from biasray.data.ages import years
from biasray.data.dataset import has_label
from biasray.data.labelling import read_csv, refuse_twice

OLDEST = 70  # 'more than 70' holds every higher age


class Compared(NamedTuple):
    kept: Index  # without the images that wait
    review: pd.DataFrame  # of those: `file`, their labels, and for each attribute that was compared `second <attribute>`
    reasons: list[Remark]
    alone: int  # images that the second opinion does not know


def compared(index: Index, opinion: str, tolerance: float, reviewed: str | None) -> Compared:
    """Labels against the CSV `opinion`, which has a column `file` and attributes by the data set's names.

    Words must be the same; numbers, and ages in bins by their middles, at most `tolerance` apart. A row of the CSV `reviewed`
    has the last word: its labels count, unchecked. Raises ValueError for a CSV that says nothing of these images, or something
    that is no label of them.
    """
    if not 0 <= tolerance < np.inf:
        raise ValueError(f"--tolerance must be 0 or more, not {tolerance:g}.")
    rows = index.rows.reset_index(drop=True)
    attributes = [name for name in rows.columns if name not in ("id", "split")]
    decided = pd.Series(False, rows.index)
    if reviewed is not None:
        last = _table(reviewed, attributes, rows)
        decided = rows["id"].isin(last.index)
        for name in [name for name in attributes if name in last]:
            rows.loc[decided, name] = _settled(rows[name], last.loc[rows.loc[decided, "id"], name], reviewed)
    second = _table(opinion, attributes, rows)
    known = rows["id"].isin(second.index)
    asked = (known & ~decided).to_numpy()
    said = second.reindex(rows["id"]).reset_index(drop=True)
    differs = {name: asked & _differ(rows[name], said[name], tolerance, opinion) for name in attributes if name in second}
    waits = np.logical_or.reduce(list(differs.values()))
    review = rows[waits].rename(columns={"id": "file"}).drop(columns="split", errors="ignore")
    review = review.assign(**{f"second {name}": said.loc[waits, name] for name in differs})
    reasons = []
    for at in np.flatnonzero(waits):
        words = [f"{name} {rows[name][at]}, {said[name][at]} by the second opinion" for name in differs if differs[name][at]]
        reasons.append(Remark(rows["id"][at], "; ".join(words)))
    return Compared(Index(rows[~waits], index.set_aside, index.noted), review, reasons, int((~known & ~decided).sum()))


def _table(uri: str, attributes: list[str], rows: pd.DataFrame) -> pd.DataFrame:
    """The CSV by file; raises ValueError where it has no column of the data set's, or no image."""
    table = read_csv(uri)
    if "file" not in table or not set(attributes) & set(table.columns):
        wanted, there = ", ".join(attributes), ", ".join(table.columns)
        raise ValueError(f"{uri} needs a column 'file' and one or more of {wanted}; it has {there}.")
    refuse_twice(table["file"], uri)
    if not table["file"].isin(rows["id"]).any():
        first, example = table["file"].iloc[0], rows["id"].iloc[0]
        raise ValueError(f"{uri} names no image of the data set ({first} is none); such is {example}.")
    return table.set_index("file")


def _differ(label: pd.Series, said: pd.Series, tolerance: float, opinion: str) -> NDArray[np.bool_]:
    """(N,) where the two do not agree; where one of them is silent they do."""
    out, told = np.zeros(len(label), bool), has_label(label) & has_label(said)
    if not told.any():
        return out
    try:
        mine = years(label[told])
    except ValueError:
        if not set(label[told]) & set(said[told]):
            raise ValueError(
                f"{opinion} and the data set share no value of '{label.name}' ({said[told].iloc[0]}, {label[told].iloc[0]}): "
                "write them the same way."
            ) from None
        return told & (label != said).to_numpy()
    other = np.array([_age(text, str(label.name), opinion) for text in said[told]])
    ends = label[told].astype(str).str.startswith("more than") | said[told].str.startswith("more than")
    agreed = np.abs(mine - other) <= tolerance
    agreed |= ends.to_numpy() & (np.minimum(mine, other) >= OLDEST)
    out[told] = ~agreed
    return out


def _age(text: str, name: str, uri: str) -> float:
    try:
        return float(text)
    except ValueError:
        try:
            return float(years(pd.Series([text]))[0])
        except ValueError:
            raise ValueError(
                f"{uri}: {name} '{text}' is no number and no range; leave it blank where nothing is known."
            ) from None


def _settled(label: pd.Series, given: pd.Series, reviewed: str) -> NDArray[np.generic]:
    """Reviewed labels as the data set writes its own; raises ValueError for what is none."""
    if not pd.api.types.is_numeric_dtype(label):
        if strange := sorted(set(given) - set(label)):
            raise ValueError(f"{reviewed}: {label.name} '{strange[0]}' is none of {', '.join(sorted(set(label)))}.")
        return given.to_numpy()
    numbers = pd.to_numeric(given, errors="coerce")
    if (wrong := numbers.isna() | (numbers % 1 != 0)).any():
        raise ValueError(f"{reviewed}: {label.name} '{given[wrong].iloc[0]}' is no whole number.")
    return numbers.to_numpy().astype(label.dtype)
