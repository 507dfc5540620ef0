"""A program of torch.export, without what torch.export.load would unpickle."""

import io
import json
import pickle
import zipfile

import torch

from biasray import storage
from biasray.audit.targets.local import Local, Seen, module

CONFIG, TENSORS, FORMAT = "_config.json", ".pt", "archive_format"


def exported(file: str, seen: Seen) -> Local:
    """The program of a file of torch.export.save. Raises ValueError for another file, and for one that holds pickles."""
    data = storage.read(file)
    try:
        if pickled := _pickled(data):
            raise ValueError(f"its {pickled} holds a pickle or an old format, which could run code here")
        program = torch.export.load(io.BytesIO(data))
    except (RuntimeError, ValueError, KeyError, AssertionError, zipfile.BadZipFile) as error:
        said = str(error).splitlines()[0]
        raise ValueError(f"{file} is no program of torch.export ({said}); save it with torch.export.save.") from error
    return module(program.module(), seen)


def _pickled(data: bytes) -> str:
    """The first part that would be unpickled, if there is one: tensors that are stored as pickles, objects, an old format."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        if len(set(names)) < len(names) or not any(name.endswith(f"/{FORMAT}") for name in names):
            raise ValueError("it is no archive of torch.export")
        for name in names:
            if "/" not in name:
                return name
            if name.endswith(CONFIG):
                if any(part["use_pickle"] for part in json.loads(archive.read(name))["config"].values()):
                    return name
            elif name.endswith(TENSORS):
                try:
                    torch.load(io.BytesIO(archive.read(name)), weights_only=True)
                except (pickle.UnpicklingError, RuntimeError, EOFError):
                    return name
    return ""
