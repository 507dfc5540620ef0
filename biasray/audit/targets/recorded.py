"""Answers that were recorded before, in a CSV: a column `probe` with the kit's names, or `file` with those that the images have
in their data set; the others hold the answer.
"""

from collections.abc import Mapping, Sequence
from typing import Any, final

from biasray.audit.targets.target import Probe, RefusedError, Target
from biasray.data.labelling import read_csv

KEYS = ("probe", "file")


@final
class Recorded(Target):
    """Answers with the row of a probe, numbers as numbers: by column, or the value alone where there is one column."""

    def __init__(self, file: str, ids: Mapping[str, str] | None = None, keys: Sequence[str] = KEYS) -> None:
        """`ids`: from the name of a probe to that of its image. Raises ValueError for a file that is no such CSV."""
        table = read_csv(file)
        key = next((name for name in keys if name in table), None)
        if key is None or set(table) <= set(KEYS):
            there = ", ".join(table)
            wanted = " or ".join(f"`{name}`" for name in keys)
            raise ValueError(f"{file} needs a column {wanted}, and one or more with the answer; it has {there}.")
        if twice := sorted(table[key][table[key].duplicated()]):
            raise ValueError(f"{file} has {len(twice)} images twice (the first: {twice[0]}); leave one row for each.")
        rows = table.set_index(key).drop(columns=list(KEYS), errors="ignore").to_dict("index")
        self.file = file
        self.ids = ids if ids and key == "file" else {}
        self.answers = {probe: {name: _plain(text) for name, text in row.items()} for probe, row in rows.items()}

    def answer(self, probe: Probe) -> Any:
        name = self.ids.get(probe.name, probe.name)
        if name not in self.answers:
            raise RefusedError(f"{self.file} has no row for {name}; record an answer to each.")
        row = self.answers[name]
        return next(iter(row.values())) if len(row) == 1 else row


def _plain(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
