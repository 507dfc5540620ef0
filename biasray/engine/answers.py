"""Asking every member of a zoo about every image: Ray Data streams the shards of the zoo, the images lie in shared memory."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import ray
import torch
from numpy.typing import NDArray
from ray.exceptions import RayError

from biasray import storage
from biasray.data.dataset import DataSet
from biasray.engine.ingest import connect_quietly
from biasray.engine.work import Shared, last_line, share
from biasray.process import settle
from biasray.zoo import store
from biasray.zoo.answers import Answers, answers

CPU = torch.device("cpu")


def answer_all(
    folder: str, dataset: DataSet, row_T: NDArray[np.int64], out: str, told: Callable[[int], None] = lambda members: None
) -> Answers:
    """(M, T) what each member of a zoo of faces answers to the images of these rows, in the order of the zoo's index.

    Kept below `out` by what determines it, a file a shard: what is there already is not asked again. `told` hears of the
    members of each shard that is done. Raises ValueError for a zoo whose members do not look at faces, and where workers are
    lost.
    """
    zoo = store.Zoo(folder)
    if "targets" not in zoo.index:
        raise ValueError(f"{folder} holds no models of faces; give the folder that `pipelines.zoo reference` made.")
    manifest = storage.read_json(storage.join(folder, store.MANIFEST))["checksum"]
    place = storage.join(out, "answers", storage.fingerprint([manifest, dataset.checksum, row_T.tolist()]))
    files = {int(number): storage.join(place, f"{number:05d}.parquet") for number in sorted(zoo.index["shard"].unique())}
    todo = [number for number, file in files.items() if not storage.exists(file)]
    for number in set(files) - set(todo):
        told(int((zoo.index["shard"] == number).sum()))
    if todo:
        connect_quietly()
        shared = share(dataset, storage.join(out, "ray"))
        shards = ray.data.from_items([{"shard": number} for number in todo], override_num_blocks=len(todo))

        def ask(batch: dict[str, Any]) -> dict[str, Any]:
            (number,) = batch["shard"]
            return {"members": [_ask(folder, int(number), shared, row_T, files[int(number)])]}

        asked = shards.map_batches(ask, batch_size=1, num_cpus=1)
        try:
            for done in asked.iter_rows():
                told(int(done["members"]))
        except RayError as error:
            raise ValueError(
                f"The workers that ask the members were lost ({last_line(error)}); the same command asks the rest."
            ) from error
    table = pd.concat([storage.read_table(file) for file in files.values()]).set_index("id").loc[zoo.index["id"]]
    return {target: np.stack(table[target].to_list()).astype(np.float32) for target in table.columns}


def _ask(folder: str, number: int, shared: Shared, row_T: NDArray[np.int64], file: str) -> int:
    """Ask the members of one shard, and keep what they answer; returns how many they are."""
    settle(1)
    zoo = store.Zoo(folder)
    mine = zoo.index[zoo.index["shard"] == number]
    about = store.architecture(folder, mine["network"].iloc[0])
    found = answers(mine, zoo.weights(mine["id"].tolist()), about, shared.open().take(row_T), CPU)
    table = pd.DataFrame({"id": mine["id"], **{target: list(answer_MT) for target, answer_MT in found.items()}})
    storage.write(file, storage.parquet(table))
    return len(mine)
