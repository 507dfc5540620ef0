"""Parquet files with an encoded image in each row, as data hubs ship them, read a row group at a time."""

from bisect import bisect_right
from collections.abc import Callable
from functools import lru_cache
from itertools import accumulate
from typing import final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from biasray import storage

END = ".parquet"


@final
class ParquetImages:
    """A .parquet file, or all those of a folder, in the order of their names.

    The image is the first column of bytes, or of structs with a field `bytes`. A row is known by its column `file`,
    or where there is none by the name of its Parquet file and its number in it.
    """

    def __init__(self, source: str) -> None:
        """Reads the files' schemas alone; raises ValueError where they differ or hold no image."""
        if source.endswith(END):
            self.paths = [source]
        else:
            self.paths = [storage.join(source, name) for name in storage.names(source) if name.endswith(END)]
        assert self.paths
        self.parts = [_open(path) for path in self.paths]
        self.schema = self.parts[0].schema_arrow
        for path, part in zip(self.paths, self.parts, strict=True):
            if not part.schema_arrow.equals(self.schema):
                raise ValueError(f"{path} has other columns than {self.paths[0]}; give the files of one data set.")
        images = [field.name for field in self.schema if _holds_images(field.type)]
        if not images:
            raise ValueError(f"{self.paths[0]} has no column of image bytes; it has: {', '.join(self.schema.names)}.")
        self.image = images[0]
        lengths = [part.metadata.row_group(k).num_rows for part in self.parts for k in range(part.num_row_groups)]
        self.groups = [(part, k) for part in self.parts for k in range(part.num_row_groups)]
        self.starts = [0, *accumulate(lengths)]  # first row of each row group, and the number of all rows

    def labels(self) -> pd.DataFrame:
        """`file` and every column of single values, as text; blank where a row has none."""
        columns = [field.name for field in self.schema if not (pa.types.is_nested(field.type) or _is_binary(field.type))]
        table = pa.concat_tables([part.read(columns) for part in self.parts]).to_pandas(types_mapper=pd.ArrowDtype)
        return table.astype("string").fillna("").astype(object).assign(file=self.files())

    def files(self) -> list[str]:
        if "file" in self.schema.names:
            return [str(name) for part in self.parts for name in part.read(["file"]).column("file").to_pylist()]
        names = [path.rpartition("/")[2] for path in self.paths]
        return [f"{name}:{row}" for name, part in zip(names, self.parts, strict=True) for row in range(part.metadata.num_rows)]

    def reader(self) -> Callable[[str], bytes]:
        """From `file` to the image's bytes. Keeps one row group, so that rows asked in order are read once."""
        row_of = pd.Index(self.files())

        @lru_cache(maxsize=1)
        def images(group: int) -> pa.ChunkedArray:
            part, k = self.groups[group]
            return part.read_row_group(k, [self.image]).column(0)

        def read(file: str) -> bytes:
            row = row_of.get_loc(file)
            group = bisect_right(self.starts, row) - 1
            value = images(group)[row - self.starts[group]].as_py()
            found = value["bytes"] if isinstance(value, dict) else value
            if not found:
                raise ValueError("its row holds no image")
            return bytes(found)

        return read


def is_parquet(source: str) -> bool:
    """Whether a source is a .parquet file or a folder that holds some."""
    return source.endswith(END) or any(name.endswith(END) for name in storage.names(source))


def _open(path: str) -> pq.ParquetFile:
    system, inside = storage.locate(path)
    try:
        return pq.ParquetFile(inside, filesystem=system)
    except (OSError, pa.ArrowInvalid) as error:
        raise ValueError(f"{path} is not a whole Parquet file ({error}); download it again.") from error


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _holds_images(kind: pa.DataType) -> bool:
    return _is_binary(kind) or (pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0)
