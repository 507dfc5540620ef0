"""How often is a value shown over the years? From a classifier's answers about faces in frames with a programme and a date."""

import dataclasses
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biasray import storage
from biasray.data.labelling import read_csv
from biasray.report import time_page, time_rows
from biasray.report.results import Row
from biasray.report.time_rows import CORRECTED, SAID
from pipelines.cli import about, run
from pipelines.place import Placed, claim, own_folder, refuse_relative, refuse_temporary


@dataclass(frozen=True, kw_only=True)
class Config(Placed):
    """Share of a value by programme and year, as a classifier says and corrected for how it errs, with intervals over days.

    Writes results.json and report.html.
    """

    frames: str
    """A CSV with a row for each face: columns `programme`, `date` (2019-04-01) and the target, as the classifier says."""
    measured: str
    """A CSV with a row for each labelled face: the target, and `said`, what the same classifier says. `pipelines.cross_audit`
    leaves such files in `answers/`."""
    target: str = "gender"
    """What is told."""
    of: str = "Female"
    """The value whose share is followed."""
    fewest: int = 30
    """Faces that a year of a programme must have."""


def main(config: Config) -> list[Row]:
    """Count, correct and draw; returns the rows."""
    refuse_temporary(config)
    for option, place in (("--frames", config.frames), ("--measured", config.measured)):
        refuse_relative(option, place)
    labelled = _read(config.measured, (config.target, "said"))
    values = sorted(set(labelled[config.target]))
    if config.of not in values:
        raise ValueError(
            f"--of {config.of}: {config.measured} has the {config.target} {', '.join(values)}; choose one of these."
        )
    if strange := sorted(set(labelled["said"]) - set(values)):
        raise ValueError(f"{config.measured}: said '{strange[0]}' is none of {', '.join(values)}; write answers as labels.")
    frames = _frames(config, values)
    confusion_TP = pd.crosstab(labelled[config.target], labelled["said"]).reindex(columns=values, fill_value=0).to_numpy()
    rows = time_rows.rows(frames, confusion_TP, values, config.of, config.fewest)
    if not rows:
        raise ValueError(f"No programme has a year with {config.fewest} faces in {config.frames}; give a smaller --fewest.")
    asked = [storage.checksum(storage.read(file)) for file in (config.frames, config.measured)]
    fingerprint = storage.fingerprint([*asked, config.target, config.of, config.fewest])
    out = own_folder(config, f"over-time-{fingerprint}")
    claim(out, [{**dataclasses.asdict(config), "out": "", "storage": "", "hash": fingerprint}])
    told, kept = about(), sum(r["n"] for r in rows if r["metric"] == SAID)
    left_out = [f"{len(frames) - kept:,} faces are of years with fewer than {config.fewest}."] if kept < len(frames) else []
    storage.write_json(storage.join(out, "results.json"), {"about": told, "rows": rows})
    page = time_page.render(rows, config.of, config.target, _errs(confusion_TP, values), left_out, told)
    storage.write(storage.join(out, "report.html"), page.encode())
    print(_text(rows))
    print(f"\n{out}/report.html and results.json hold the rest.")
    return rows


def _frames(config: Config, values: list[str]) -> pd.DataFrame:
    """A row a face: programme, year, day, said."""
    table = _read(config.frames, ("programme", "date", config.target))
    if strange := sorted(set(table[config.target]) - set(values)):
        raise ValueError(
            f"{config.frames}: {config.target} '{strange[0]}' is none of {', '.join(values)}, the values of {config.measured}."
        )
    day = pd.to_datetime(table["date"], format="ISO8601", errors="coerce")
    if day.isna().any():
        raise ValueError(f"{config.frames}: '{table['date'][day.isna()].iloc[0]}' is no date; write it as 2019-04-01.")
    return pd.DataFrame(
        {"programme": table["programme"], "year": day.dt.year, "day": day.dt.date, "said": table[config.target]}
    )


def _read(file: str, columns: tuple[str, ...]) -> pd.DataFrame:
    """The rows that have all of these columns; raises ValueError where the file has not."""
    if not storage.exists(file):
        raise ValueError(f"There is no file {file}.")
    table = read_csv(file)
    if absent := [name for name in columns if name not in table]:
        raise ValueError(f"{file} has no column '{absent[0]}'; it has: {', '.join(table.columns)}.")
    if (blank := table[list(columns)].eq("").any(axis=1)).any():
        print(f"{blank.sum():,} rows of {file} lack one of {', '.join(columns)} and are left out.")
        table = table[~blank]
    if table.empty:
        raise ValueError(f"No row of {file} has all of {', '.join(columns)}.")
    return table


def _errs(confusion_TP: NDArray[np.int64], values: list[str]) -> str:
    right = [f"{100 * row[k] / row.sum():.1f} % of {row.sum():,} {values[k]}" for k, row in enumerate(confusion_TP)]
    return f"Measured on labelled images, the classifier is right about {' and '.join(right)}."


def _text(rows: list[Row]) -> str:
    lines: dict[tuple[str, int], dict[str, object]] = {}
    for row in rows:
        if row["metric"] in (SAID, CORRECTED):
            span = "" if row["low"] is None else f" ({100 * row['low']:.1f} to {100 * row['high']:.1f})"
            line = lines.setdefault((row["programme"], row["year"]), {k: row[k] for k in ("programme", "year", "n", "days")})
            line[row["metric"]] = f"{100 * row['value']:.1f}{span}"
    return str(pd.DataFrame([*lines.values()]).to_string(index=False))


if __name__ == "__main__":
    run(Config, main)
