"""Importing: fixed slices of the sorted list of sources become Parquet shards, and the shards a manifest.

Plain functions of their arguments, so that any number of processes can make shards in any order and a
killed import goes on where it stopped. The engine maps `make_shard` over the slices with Ray Data.
"""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from biasray import storage
from biasray.data.adapter import Adapter, Given, Index, Remark
from biasray.data.dataset import OWN_COLUMNS, SPLITS, Split, has_label
from biasray.data.decode import Changed, decode
from biasray.data.labelling import read_csv

_NAME = re.compile(r"\d{5}-[0-9a-f]{16}\.parquet")
_SLICE_BYTES, _SLICE_ROWS = 1 << 25, 4096
TEST_SHARE, VALIDATION_SHARE = 0.2, 0.1


class Shard(NamedTuple):
    slice: int
    file: str  # number of the slice and checksum of the bytes
    rows: int
    bytes: int
    set_aside: list[list[str]]  # [file, reason]


def chosen(index: Index, only: str | None, without: str | None) -> Index:
    """The files that the one CSV names, without those that the other does; raises ValueError where it names none of them."""
    wanted = set(index.rows["id"]) | {remark.file for remark in (*index.set_aside, *index.noted)}
    if only is not None:
        wanted &= _named(only, index)
    if without is not None:
        wanted -= _named(without, index)
    if not index.rows["id"].isin(wanted).any():
        raise ValueError(f"No image is left of --only {only} --without {without}; give other lists.")
    remarks = ([remark for remark in found if remark.file in wanted] for found in (index.set_aside, index.noted))
    return Index(index.rows[index.rows["id"].isin(wanted)], *remarks)


def _named(uri: str, index: Index) -> set[str]:
    table, example = read_csv(uri), index.rows["id"].iloc[0]
    if "file" not in table:
        raise ValueError(f"{uri} has no column 'file'; name the images there, such as {example}.")
    names = set(table["file"])
    if names.isdisjoint(index.rows["id"]):
        raise ValueError(f"{uri} names no image of the data set ({table['file'].iloc[0]} is none); such is {example}.")
    return names


def slice_rows(side: int, channels: int) -> int:
    """Images of one shard: about 32 MB of pixels, 4,096 images at most."""
    return max(1, min(_SLICE_ROWS, _SLICE_BYTES // (side * side * channels)))


def split_of(hashed: str, given: Given | None) -> Split:
    """The split of an image by its content, so that equal images never sit on both sides.

    A data set's own splits are kept, and a tenth of what it gives for training and validation together becomes
    validation; without splits of its own, 70 / 10 / 20 %.
    """
    share = int(hashed[:8], 16) / 16**8
    if given == "trainval":
        return "validation" if share < VALIDATION_SHARE else "train"
    if given is not None:
        return given
    return "test" if share < TEST_SHARE else "validation" if share < TEST_SHARE + VALIDATION_SHARE else "train"


def make_shard(adapter: Adapter, source: str, rows: pd.DataFrame, number: int, size: int, out: str) -> Shard:
    """Read, decode, resize and hash the images of one slice, and write its shard."""
    channels = len(adapter.mode)
    image_NHWC = np.empty((len(rows), size, size, channels), np.uint8)
    kept, hashes, set_aside = list[int](), list[str](), list[list[str]]()
    read = adapter.reader(source)
    for position, example in enumerate(rows["id"]):
        try:
            found = read(example)
            encoded, original = found if isinstance(found, Changed) else (found, found)
            image_NHWC[len(kept)] = decode(encoded, size, adapter.mode)
        except ValueError as error:
            set_aside.append([example, str(error)])
            continue
        kept.append(position)
        hashes.append(storage.checksum(original if isinstance(original, bytes) else original.tobytes()))
    table = rows.iloc[kept].drop(columns="split", errors="ignore")
    given: Sequence[Given | None] = list(rows["split"].iloc[kept]) if "split" in rows else [None] * len(kept)
    splits = [split_of(h, g) for h, g in zip(hashes, given, strict=True)]
    arrow = pa.Table.from_pandas(table.assign(split=splits, hash=hashes), preserve_index=False)
    kind, pixels = pa.binary(size * size * channels), pa.py_buffer(image_NHWC)
    arrow = arrow.append_column("image", pa.FixedSizeBinaryArray.from_buffers(kind, len(kept), [None, pixels]))
    arrow = arrow.replace_schema_metadata({"set_aside": json.dumps(set_aside)})
    sink = pa.BufferOutputStream()
    pq.write_table(arrow, sink, compression="zstd", use_dictionary=False, write_statistics=False)
    data = sink.getvalue().to_pybytes()
    file = f"{number:05d}-{storage.checksum(data)[:16]}.parquet"
    storage.write(storage.join(out, "shards", file), data)
    return Shard(number, file, len(table), len(data), set_aside)


def read_shard(out: str, file: str, images: bool, verify: bool = True) -> pa.Table:
    """The images of one shard, or all but them.

    Raises ValueError where its bytes are not those it is named after.
    """
    data = storage.read(storage.join(out, "shards", file))
    if verify and storage.checksum(data)[:16] != file[6:22]:
        raise ValueError(f"Shard {file} in {out} is damaged: delete it and import again; only it is made anew.")
    parquet = pq.ParquetFile(pa.BufferReader(data))
    names = parquet.schema_arrow.names
    return parquet.read(["image"] if images else [name for name in names if name != "image"])


def finished(out: str) -> dict[int, Shard]:
    """Shards that an earlier import has left, by slice.

    Those that are damaged are deleted, to be made again, and so are those that had to set a file aside: it may have
    been mended since.
    """
    shards = {}
    for file in filter(_NAME.fullmatch, storage.names(storage.join(out, "shards"))):
        try:
            table = read_shard(out, file, images=False)
            whole = not json.loads(table.schema.metadata[b"set_aside"])
        except ValueError:
            whole = False
        if whole:
            size = storage.size(storage.join(out, "shards", file))
            shards[int(file[:5])] = Shard(int(file[:5]), file, len(table), size, [])
        else:
            storage.delete(storage.join(out, "shards", file))
    return shards


def duplicates(examples: pd.DataFrame) -> list[Remark]:
    """Which rows to set aside so that no image is left twice.

    Of equal images the first of those with the most labels stays; with conflicting labels none does, since nothing
    says which is right.
    """
    remarks: list[Remark] = []
    attributes = [name for name in examples.columns if name not in OWN_COLUMNS]
    for _, same in examples[examples.duplicated("hash", keep=False)].groupby("hash", sort=True):
        labels = {name: same[name][has_label(same[name])] for name in attributes}
        conflicting = [name for name, known in labels.items() if len(known.unique()) > 1]
        files = list(same["id"])
        if conflicting:
            others = [
                f"same image as {', '.join(o for o in files if o != f)}, other {' and '.join(conflicting)}" for f in files
            ]
            remarks += [Remark(f, reason) for f, reason in zip(files, others, strict=True)]
        else:
            number = sum((has_label(same[name]).astype(int) for name in attributes), np.zeros(len(same), int))
            kept = files[int(number.argmax())]
            remarks += [Remark(f, f"same image and labels as {kept}") for f in files if f != kept]
    return sorted(remarks)


def describe(examples: pd.DataFrame) -> dict[str, Any]:
    """Counts by split, and by value of each attribute (the range of a number with many values), those without it as ''."""
    attributes: dict[str, Any] = {}
    for name in examples.columns:
        if name in OWN_COLUMNS:
            continue
        column = examples[name]
        if pd.api.types.is_numeric_dtype(column):
            attributes[name] = {"low": int(column.min()), "high": int(column.max())}
            if n := int(column.isna().sum()):
                attributes[name][""] = n
        else:
            attributes[name] = {str(k): int(v) for k, v in column.value_counts().sort_index().items()}
    counts = examples["split"].value_counts()
    return {"splits": {name: int(counts.get(name, 0)) for name in SPLITS}, "attributes": attributes}


def labels(out: str, files: Iterable[str], verify: bool = True) -> pd.DataFrame:
    """All but the images of these shards, one after the other."""
    tables = [read_shard(out, file, images=False, verify=verify).replace_schema_metadata(None).to_pandas() for file in files]
    return pd.concat(tables, ignore_index=True)


def images_of(table: pa.Table, shape: tuple[int, int, int]) -> np.ndarray:
    """(rows, H, W, C) uint8 view of a shard's image column."""
    c, h, w = shape
    column = table.column("image").combine_chunks()
    column = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
    _, data = column.buffers()
    flat = np.frombuffer(data, np.uint8) if len(column) else np.empty(0, np.uint8)
    start = column.offset * h * w * c
    return flat[start : start + len(column) * h * w * c].reshape(len(column), h, w, c)
