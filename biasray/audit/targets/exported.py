"""A program of torch.export, without what torch.export.load would run of it.

That unpickles, loads libraries and evaluates text of a file. Here a file is refused that holds anything but a graph, tensors
as bytes, and sizes: what is left is a program of torch operators. A file of somebody you do not trust is still best opened
where it can do no harm.
"""

import io
import json
import pickle
import re
import zipfile
from collections.abc import Iterator
from typing import Any

import torch

from biasray import storage
from biasray.audit.targets.local import Local, Seen, module
from biasray.audit.targets.target import first_line

# What torch.export.save writes for a plain module, below the archive's own folder.
PLAIN = re.compile(
    r"archive_format|archive_version|byteorder|\.data/(version|serialization_id)|models/model\.json|data/sample_inputs/model\.pt"
    r"|data/weights/(weight_\d+|model_weights_config\.json)|data/constants/(tensor_\d+|model_constants_config\.json)"
)
TENSOR = re.compile(r"(weight|tensor)_\d+")
SIZE = re.compile(r"(\s|\d|[su]\d+|[-+*()])*")  # of an image or a batch, as a formula
TOP_BYTES = 2**31


def exported(file: str, seen: Seen) -> Local:
    """The program of a file of torch.export.save. Raises ValueError for another file, and for one that could run more."""
    data = storage.read(file)
    try:
        if more := _more(data):
            raise ValueError(f"it holds {more}, which could run code of its own here")
        program = torch.export.load(io.BytesIO(data))
        # Guards are text that would be run; a wrong size is told by the operators themselves.
        return module(program.module(check_guards=False), seen)
    except (RuntimeError, ValueError, KeyError, TypeError, AssertionError, AttributeError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{file} is no program of torch.export ({first_line(error)}); save it with torch.export.save."
        ) from error


def _more(data: bytes) -> str:
    """The first thing in the archive that is more than a graph, tensors as bytes and sizes; nothing where there is none."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        inside = [name.partition("/")[2] for name in names]
        if not {"archive_format", "models/model.json"} <= set(inside) or len({n.partition("/")[0] for n in names}) > 1:
            raise ValueError("it is no archive of torch.export")
        if odd := next((name for name in inside if not PLAIN.fullmatch(name)), None):
            return odd
        if len({name.lower() for name in names}) < len(names) or sum(i.file_size for i in archive.infolist()) > TOP_BYTES:
            return "two files of one name, or more than 2 GiB"
        for name, own in zip(names, inside, strict=True):
            if own.endswith("_config.json"):
                parts = json.loads(archive.read(name))["config"].values()
                if any(part["use_pickle"] or not TENSOR.fullmatch(part["path_name"]) for part in parts):
                    return f"pickled tensors in {own}"
            elif own.endswith(".pt"):
                try:
                    torch.load(io.BytesIO(archive.read(name)), weights_only=True)
                except (pickle.UnpicklingError, RuntimeError, EOFError):
                    return f"objects in {own}"
            elif own.endswith("model.json") and any(
                not SIZE.fullmatch(size) for size in _sizes(json.loads(archive.read(name)))
            ):
                return f"formulas in {own}"
    return ""


def _sizes(part: Any) -> Iterator[str]:
    """Every text that torch would evaluate as a formula."""
    if isinstance(part, dict):
        for name, value in part.items():
            yield from [str(value)] if name == "expr_str" else _sizes(value)
    elif isinstance(part, list):
        for value in part:
            yield from _sizes(value)
