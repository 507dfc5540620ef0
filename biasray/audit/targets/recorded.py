"""Answers that were recorded before, in a CSV: a column `probe` with the kit's ids, the others hold the answer."""

from typing import Any, final

from biasray.audit.targets.target import Probe, RefusedError, Target
from biasray.data.labelling import read_csv


@final
class Recorded(Target):
    """Answers with the row of a probe, numbers as numbers: by column, or the value alone where there is one column."""

    def __init__(self, file: str) -> None:
        """Raises ValueError for a file that is no such CSV."""
        table = read_csv(file)
        if "probe" not in table or len(table.columns) < 2:
            raise ValueError(f"{file} needs a column `probe`, and one or more with the answer; it has {', '.join(table)}.")
        if twice := sorted(table["probe"][table["probe"].duplicated()]):
            raise ValueError(f"{file} has {len(twice)} probes twice (the first: {twice[0]}); leave one row for each.")
        self.file, rows = file, table.set_index("probe").to_dict("index")
        self.answers = {probe: {name: _plain(text) for name, text in row.items()} for probe, row in rows.items()}

    def answer(self, probe: Probe) -> Any:
        if probe.name not in self.answers:
            raise RefusedError(f"{self.file} has no row for the probe {probe.name}; record an answer to each.")
        row = self.answers[probe.name]
        return next(iter(row.values())) if len(row) == 1 else row


def _plain(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
