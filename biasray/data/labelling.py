"""Labels in a table beside the images: a CSV with a row for each image file."""

import io

import pandas as pd

from biasray import storage
from biasray.data.adapter import Remark


def read_csv(uri: str) -> pd.DataFrame:
    """All columns as text without blanks around it; empty where nothing stands. Raises ValueError where it is no CSV."""
    data = io.BytesIO(storage.read(uri))
    try:
        table = pd.read_csv(data, dtype=str, keep_default_na=False, index_col=False, encoding="utf-8-sig")
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        said = " ".join(str(error).split())
        raise ValueError(f"{uri} cannot be read as a CSV in UTF-8 ({said}); save it as one.") from error
    if table.empty:
        raise ValueError(f"{uri} has no row of labels; give one for each image.")
    table.columns = table.columns.str.strip()
    return table.fillna("").apply(lambda column: column.str.strip())


def refuse_twice(file_N: pd.Series, where: str) -> None:
    """Raises ValueError where a file has two rows of labels."""
    twice = file_N[file_N.duplicated()]
    if len(twice):
        raise ValueError(f"{where} names {len(twice):,} files twice (the first: {twice.iloc[0]}); leave one row for each.")


def beside(table: pd.DataFrame, source: str) -> tuple[pd.DataFrame, list[Remark]]:
    """Rows whose `file` lies below the source folder, and the others set aside; raises ValueError where none does."""
    folder_N, _, name_N = zip(*(file.rpartition("/") for file in table["file"]), strict=True)
    there = {folder: set(storage.names(storage.join(source, folder))) for folder in set(folder_N)}
    is_there_N = pd.Series([name in there[folder] for folder, name in zip(folder_N, name_N, strict=True)], table.index)
    if not is_there_N.any():
        raise ValueError(
            f"None of the {len(table):,} labelled files is in {source} (the first: {table['file'].iloc[0]}); "
            "give --source the folder that these names start from."
        )
    return table[is_there_N], [Remark(file, "labelled, but not in the folder") for file in table["file"][~is_there_N]]
