"""Where a run reads and writes: its out folder is its own, and a submitted job names places that outlive it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from biasray import storage
from biasray.engine.cluster import submitted

CONFIG = "config.json"


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Options of whatever leaves results."""

    out: str | None = None
    """Folder or URI of the results. Default: one below --storage, named by what is done and a hash of it."""
    storage: str = "runs"
    """Folder or URI below which results lie that have no --out."""


def own_folder(config: Placed, called: str) -> str:
    """Folder or URI of a run's results."""
    return config.out or storage.join(config.storage, called)


def refuse_temporary(config: Placed) -> None:
    """In a submitted job, raise ValueError where the results would go with the job's working directory."""
    if config.out is None:
        refuse_relative("--storage", config.storage)
    else:
        refuse_relative("--out", config.out)


def refuse_relative(option: str, place: str) -> None:
    """In a submitted job, raise ValueError for a relative path: the job's working directory is a temporary copy."""
    if submitted() and "://" not in place and not place.startswith("/"):
        raise ValueError(
            f"{option} {place}: a submitted job runs in a temporary copy of its folder, so give {option} an absolute path or "
            "a URI (s3://bucket/...) that every machine of the cluster can reach."
        )


def claim(out: str, trainings: Sequence[Mapping[str, Any]]) -> None:
    """Make the out folder this run's own, or see that it already is; its trainings are told apart by their `hash`."""
    file = storage.join(out, CONFIG)
    mine = json.loads(json.dumps(list(trainings)))
    if not storage.exists(file):
        if storage.names(out):
            raise ValueError(f"{out} is not empty and holds no such results; give another --out.")
        storage.write_json(file, mine)
        return
    there = storage.read_json(file)
    if [e["hash"] for e in there] == [e["hash"] for e in mine]:
        return
    pairs = [(flat(a), flat(b)) for a, b in zip(there, mine, strict=False)] if len(there) == len(mine) else []
    one, other = next(((a, b) for a, b in pairs if a["hash"] != b["hash"]), ({}, {}))
    differ = [f"{k} {one.get(k)} there, {other[k]} here" for k in other if k != "hash" and one.get(k) != other[k]]
    said = "; ".join(differ[:3]) or "of other parts"
    raise ValueError(f"{out} holds another run ({said}); give another --out.")


def flat(fields: dict[str, Any]) -> dict[str, Any]:
    """Nested fields by their own names."""
    out: dict[str, Any] = {}
    for name, value in fields.items():
        out |= flat(value) if isinstance(value, dict) else {name: value}
    return out
