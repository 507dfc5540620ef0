"""Tables that tests hand to commands."""

from pathlib import Path

import pandas as pd


def csv(file: Path, table: pd.DataFrame) -> str:
    table.to_csv(file, index=False)
    return str(file)
