"""Importing a data set with Ray Data: one task a slice of the sources, each leaving one shard."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pandas as pd
import ray
from ray.exceptions import RayError

from biasray import data, storage
from biasray.data.adapter import Adapter, Index, Remark
from biasray.data.dataset import OWN_COLUMNS
from biasray.data.imported import MANIFEST
from biasray.data.importing import Shard, chosen, describe, duplicates, finished, labels, make_shard, slice_rows
from biasray.data.opinion import compared
from biasray.discovery import named
from biasray.engine.cluster import connect
from biasray.engine.work import last_line

SETTINGS = "import.json"
REVIEW = "review.csv"


def import_data(
    name: str,
    source: str,
    out: str,
    size: int | None = None,
    most_set_aside: float = 0.05,
    progress: Callable[[int], None] = lambda images: None,
    about: dict[str, Any] | None = None,
    labels: str | None = None,
    target: str | None = None,
    bias: str | None = None,
    only: str | None = None,
    without: str | None = None,
    second_opinion: str | None = None,
    tolerance: float = 5,
    reviewed: str | None = None,
) -> dict[str, Any]:
    """Import a data set into a folder or URI and return its manifest; what is already there is not made again.

    `labels` is the CSV of one's own pictures; `target` and `bias` are attributes that the manifest shall name as such
    in place of the data set's usual ones. `only` and `without` are CSVs that name in a column `file` what is imported,
    and what is not; `second_opinion`, `tolerance` and `reviewed` are for `data.opinion.compared`, and labels that wait for a
    person are left in `REVIEW`. Raises ValueError where the source has another layout, the folder holds another import, or more
    than `most_set_aside` of the files cannot be used. Finished shards stay in any case.
    """
    adapter = named(data.adapters(), name, "data set")(labels)
    source, out = storage.absolute(source), storage.absolute(out)  # workers have other working directories
    if not storage.exists(source):
        raise ValueError(f"There is no {source}; give --source the folder that holds {name}.")
    index = adapter.index(source)
    if (only or without) and len(index.rows):
        index = chosen(index, only, without)
    waiting = None
    if second_opinion and len(index.rows):
        waiting = compared(index, second_opinion, tolerance, reviewed)
        if waiting.kept.rows.empty:
            raise ValueError(f"{second_opinion} contradicts every label (the first: {': '.join(waiting.reasons[0])}).")
        index = waiting.kept
    rows = index.rows.reset_index(drop=True)
    assert rows["id"].is_unique
    size = adapter.size if size is None else size
    if not 8 <= size <= 1024:
        raise ValueError(f"--size must be 8 to 1024 pixels, not {size}.")
    total = len(rows) + len(index.set_aside)
    _refuse_if_many(index.set_aside, total, most_set_aside, source)
    if rows.empty:
        raise ValueError(f"{source} holds no file that can be used as {name}; see its layout in biasray/data/{name}.py.")
    roles = _roles(adapter, rows, target, bias)
    step = slice_rows(size, len(adapter.mode))
    # The labels are among the sources: what stands in a CSV counts, not where it lies.
    settings = {"name": name, "version": adapter.version, "size": size, "step": step, "sources": _checksum(rows), **roles}
    _claim(out, settings)
    shards = _make(adapter, source, rows, size, step, out, progress)
    called = storage.split(out)[1] if adapter.anyones else name
    head: dict[str, Any] = {"name": called, "shape": [len(adapter.mode), size, size], **roles}
    if waiting:
        head |= {"waiting": [list(remark) for remark in waiting.reasons], "without second opinion": waiting.alone}
        if not storage.exists(review := storage.join(out, REVIEW)):  # or what a person has written there would be lost
            storage.write(review, waiting.review.to_csv(index=False).encode())
    manifest = _manifest(head, index, shards, out)
    unusable = [*manifest["set_aside"], *manifest["duplicates"]]
    _refuse_if_many(unusable, total, most_set_aside, source)
    storage.write_json(storage.join(out, MANIFEST), {**manifest, "about": about or {}})
    return manifest


def _roles(adapter: Adapter, rows: pd.DataFrame, target: str | None, bias: str | None) -> dict[str, str]:
    """Which attribute is the target and which the bias."""
    attributes = [name for name in rows.columns if name not in OWN_COLUMNS]
    if not attributes and target is None and bias is None:
        return {"target": "", "bias": ""}
    roles = {}
    other = "" if adapter.bias is None and len(attributes) == 1 else adapter.bias  # pictures with but a target have no bias
    for role, given, usual in (("target", target, adapter.target), ("bias", bias, other)):
        if given is None and usual is None:
            raise ValueError(f"Pictures of one's own need a --{role}: give one of {', '.join(attributes)}.")
        if given is not None and given not in (*attributes, usual) and (role, given) != ("bias", ""):
            there = ", ".join(attributes) or "none"
            raise ValueError(f"There is no attribute '{given}' for --{role}; there are: {there}.")
        roles[role] = str(usual if given is None else given)
    if roles["target"] == roles["bias"]:
        raise ValueError(f"Target and bias are both '{roles['target']}'; choose two attributes by --target and --bias.")
    return roles


def _checksum(rows: pd.DataFrame) -> str:
    return storage.checksum(rows.to_csv(index=False).encode())


def _claim(out: str, settings: dict[str, Any]) -> None:
    """Make the folder this import's own, or see that it already is."""
    file = storage.join(out, SETTINGS)
    there = storage.read_json(file) if storage.exists(file) else None
    if there is None:
        if storage.names(out):
            raise ValueError(f"{out} is not empty and holds no import; give another --out.")
        storage.write_json(file, settings)
    elif there != settings:
        differ = ", ".join(f"{k} {there.get(k)} there, {settings[k]} here" for k in settings if there.get(k) != settings[k])
        raise ValueError(f"{out} holds another import ({differ}); give another --out, or delete it first.")


def connect_quietly() -> None:
    """Connect to Ray, for Ray Data, which would report each of its executions."""
    connect()
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)


def _make(
    adapter: Adapter, source: str, rows: pd.DataFrame, size: int, step: int, out: str, progress: Callable[[int], None]
) -> list[Shard]:
    shards = finished(out)
    slices = [
        {"slice": k, "start": start, "stop": min(start + step, len(rows))} for k, start in enumerate(range(0, len(rows), step))
    ]
    for shard in shards.values():
        progress(shard.rows + len(shard.set_aside))
    todo = [s for s in slices if s["slice"] not in shards]
    if todo:
        connect_quietly()
        shared = ray.put(rows)

        def work(item: dict[str, Any]) -> dict[str, str]:
            mine = ray.get(shared).iloc[item["start"] : item["stop"]]
            try:
                return {"shard": json.dumps(make_shard(adapter, source, mine, item["slice"], size, out)), "error": ""}
            except ValueError as error:  # Ray would wrap it in pages of its own
                return {"shard": "", "error": str(error)}

        try:
            for made in ray.data.from_items(todo, override_num_blocks=len(todo)).map(work).iter_rows():
                if made["error"]:
                    raise ValueError(made["error"])
                shard = Shard(*json.loads(made["shard"]))
                shards[shard.slice] = shard
                progress(shard.rows + len(shard.set_aside))
        except RayError as error:
            raise ValueError(
                f"The workers of the import were lost ({last_line(error)}); the same command goes on with what is missing."
            ) from error
    assert sorted(shards) == list(range(len(slices)))
    return [shards[k] for k in sorted(shards)]


def _manifest(head: dict[str, Any], index: Index, shards: list[Shard], out: str) -> dict[str, Any]:
    files = [shard.file for shard in shards]
    everything = labels(out, files, verify=False).sort_values("id")  # just written, or just verified
    twice = duplicates(everything)
    kept = everything[~everything["id"].isin({remark.file for remark in twice})]
    set_aside = [list(remark) for remark in index.set_aside] + [pair for shard in shards for pair in shard.set_aside]
    manifest = {
        **head,
        **describe(kept),
        "shards": [{"file": shard.file, "rows": shard.rows, "bytes": shard.bytes} for shard in shards],
        "set_aside": sorted(set_aside),
        "duplicates": [list(remark) for remark in twice],
        "noted": [list(remark) for remark in index.noted],
    }
    return {**manifest, "checksum": storage.fingerprint(manifest)}


def _refuse_if_many(unusable: list[Remark], total: int, most: float, source: str) -> None:
    if len(unusable) > most * max(total, 1):
        file, reason = unusable[0]
        raise ValueError(
            f"{len(unusable):,} of {total:,} files in {source} cannot be used, more than the allowed share {most:g} "
            f"(the first: {file}: {reason}); mend them, or allow more by --most-set-aside."
        )
