"""Bytes in and out of a local folder or any URI that pyarrow.fs knows (s3://, gs://, file://)."""

import errno
import hashlib
import json
import os
import string
import uuid
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_KEYS = ("key", "secret", "token", "password", "signature")  # what options of a URI that hold one are called
_OBJECTS = ("s3", "gcs", "abfs")  # file systems that have no folders, and publish a file when it is closed


def refuse_keys(uri: str) -> None:
    """Raise ValueError for a URI that holds a key or a password, which would be kept and shown with it."""
    if "://" not in uri:
        return
    parts = urlsplit(uri)
    options = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    if parts.password is not None or any(word in name.lower() for name in options for word in _KEYS):
        raise ValueError(
            f"{parts.scheme}://...{parts.path} holds a key, which would be kept and shown with the results: leave it out of "
            "the address. Storage takes AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or the role of the machine, MLflow's "
            "server MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD."
        )


def locate(uri: str) -> tuple[fs.FileSystem, str]:
    """The file system and the path in it; a plain path is local.

    Raises ValueError for a URI that holds a key, and for a bucket that is not found where its region is asked for.
    """
    if "://" in uri:
        refuse_keys(uri)
        # Arrow refuses blanks and letters beyond ASCII as they are.
        try:
            return fs.FileSystem.from_uri(quote(uri, safe=string.punctuation))
        except OSError as error:
            raise _unreachable(uri, error) from error
    return fs.LocalFileSystem(), os.path.abspath(uri)


def absolute(uri: str) -> str:
    """A plain path made absolute; a URI as it is."""
    return uri if "://" in uri else os.path.abspath(uri)


def join(uri: str, *parts: str) -> str:
    """A place below a folder; options of the URI (s3://bucket?endpoint_override=...) stay at its end.

    Raises ValueError for a part that leads out of the folder: names come from tables and manifests of others, too.
    """
    for part in parts:
        if part.startswith("/") or ".." in part.split("/"):
            raise ValueError(f"'{part}' is no name below {uri}; what is read and written there lies in it.")
    folder, mark, options = uri.partition("?") if "://" in uri else (uri, "", "")
    return "/".join([folder.rstrip("/"), *parts]) + mark + options


def split(uri: str) -> tuple[str, str]:
    """The folder that holds a place, and the place's own name in it."""
    place, mark, options = uri.partition("?") if "://" in uri else (uri, "", "")
    folder, _, name = place.rstrip("/").rpartition("/")
    return folder + mark + options, name


def exists(uri: str) -> bool:
    return _info(uri).type != fs.FileType.NotFound


def _info(uri: str) -> fs.FileInfo:
    system, path = locate(uri)
    try:
        return system.get_file_info(path)
    except OSError as error:
        raise _unreachable(uri, error) from error


def _unreachable(uri: str, error: OSError) -> ValueError:
    return ValueError(f"{uri} cannot be reached ({error}); see that the address and your rights to it are right.")


def names(uri: str) -> list[str]:
    """Names in a folder, sorted, without unfinished files; none where there is no folder."""
    system, path = locate(uri)
    try:
        found = system.get_file_info(fs.FileSelector(path, allow_not_found=True))
    except OSError as error:
        raise ValueError(f"{uri} cannot be listed: {error.strerror or error}; give a folder.") from error
    return sorted(info.base_name for info in found if not info.base_name.startswith("."))


def size(uri: str) -> int:
    return int(_info(uri).size)


def read(uri: str) -> bytes:
    system, path = locate(uri)
    try:
        with system.open_input_file(path) as file:
            return file.read()
    except OSError as error:
        raise ValueError(f"{uri} cannot be read: {error.strerror or error}.") from error


def write(uri: str, data: bytes) -> None:
    """Write all or nothing: a reader sees the old bytes or the new ones, a killed writer leaves the old."""
    system, path = locate(uri)
    folder, _, name = path.rpartition("/")
    # An object store publishes on close; a file is published by renaming it into place. Its name until then is no other
    # writer's, on no other machine that has the folder mounted.
    objects = system.type_name in _OBJECTS
    target = path if objects else f"{folder}/.{name}.{uuid.uuid4().hex}"
    try:
        if not objects:
            system.create_dir(folder)
        with system.open_output_stream(target) as file:
            file.write(data)
        if target != path:
            system.move(target, path)
    except OSError as error:
        if target != path:
            with suppress(OSError):
                system.delete_file(target)
        if error.errno not in _FULL:
            raise ValueError(f"Cannot write {uri}: {error}; choose another place.") from error
        raise ValueError(f"No space left to write {uri}: free some, then run the same command; it goes on here.") from error


def delete(uri: str) -> None:
    system, path = locate(uri)
    if exists(uri):
        system.delete_file(path)


def delete_folder(uri: str) -> None:
    """Delete a folder and all in it, if it is there."""
    system, path = locate(uri)
    if exists(uri):
        system.delete_dir(path)


def read_json(uri: str) -> Any:
    try:
        return json.loads(read(uri))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{uri} is damaged: it is no JSON ({error}).") from error


def write_json(uri: str, value: Any) -> None:
    write(uri, (json.dumps(value, indent=1) + "\n").encode())


def parquet(table: pd.DataFrame) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pandas(table, preserve_index=False), sink, compression="zstd")
    return bytes(sink.getvalue().to_pybytes())


def read_table(uri: str) -> pd.DataFrame:
    return pq.read_table(pa.BufferReader(read(uri))).to_pandas()


def checksum(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def fingerprint(value: Any) -> str:
    """Twelve hex digits that stand for a JSON-like value."""
    return checksum(json.dumps(value, sort_keys=True).encode())[:12]
