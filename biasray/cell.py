"""One cell of a comparison: bias the data, train, predict the test split once, and leave the result in a folder."""

import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from biasray import methods, networks, storage
from biasray.bias.colour import RGB
from biasray.bias.task import Prepared, prepare
from biasray.contract import Labels, Method, Table
from biasray.data.dataset import DataSet, Images
from biasray.experiment import Experiment
from biasray.loop import SCAN, Place, Plan, Tick, Trained, epochs
from biasray.predict import predict
from biasray.process import forget_peak, peak_memory
from biasray.random import rng
from biasray.resident import Resident
from biasray.world import Alone, World

DONE = "done.json"
SECONDARY = "secondary "  # begins the names of tables by which attributes are learnt that must not matter
PREDICTIONS = "predictions.parquet"
JUDGED = 1000  # training examples, aligned and as many conflicting, that networks are judged on after each epoch
ALONE = Alone()


def run(
    experiment: Experiment,
    dataset: DataSet,
    folder: str,
    device: torch.device,
    progress: Callable[[Tick], None] = lambda tick: None,
    save_seconds: float = 30.0,
    world: World = ALONE,
    leaving: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Train one experiment to its end and test it, or go on where its folder left off; a finished one is only read.

    Leaves `predictions.parquet` (id, target, bias, predicted, p_0 ...), `network.safetensors` with
    `network.json`, and last `done.json`, which is returned: history and seconds. Each worker of `world` calls this; the
    first one writes.
    """
    if storage.exists(storage.join(folder, DONE)):
        done: dict[str, Any] = storage.read_json(storage.join(folder, DONE))
        return done
    began = time.monotonic()
    forget_peak()
    prepared = prepare(dataset, experiment.task, experiment.seed)
    place = Place(
        folder=folder, since=began, world=world, device=device, save_seconds=save_seconds, leaving=leaving, progress=progress
    )
    *_, (method, history, seconds) = fit(experiment, dataset, prepared, place)
    trained = time.monotonic()
    method.eval()
    test = resident(dataset, prepared, prepared.tables["test"], device, experiment)
    batch = SCAN * experiment.recipe.batch
    seen = predict(method.predict, test, batch, world, device, experiment.precision)
    made = {"device": str(device), "workers": world.size, "threads": torch.get_num_threads(), "torch": torch.__version__}
    result = {
        "experiment": experiment.fingerprint(),
        "history": history,
        "seconds": seconds + time.monotonic() - trained,
        "memory": peak_memory(device),  # bytes, of this worker since its last start
        "ended": time.time(),  # seconds since 1970
        "made": made,
    }
    if world.rank:
        return result
    table = prepared.tables["test"][["id", "target", "bias"]].assign(predicted=seen.logits_NK.argmax(1).numpy())
    _publish(folder, method, experiment, table, seen.logits_NK.softmax(1).numpy())
    storage.write_json(storage.join(folder, DONE), result)
    storage.delete(storage.join(folder, "state.pt"))
    return result


def fit(experiment: Experiment, dataset: DataSet, prepared: Prepared, place: Place) -> Iterator[Trained]:
    """Train an experiment on its prepared tables, without a look at the test split: how it stands after each epoch, and once
    more at the end. Raises ValueError where it cannot be trained."""
    needs = methods.get(experiment.method).needs
    tables: dict[str, Table] = {
        "train": resident(dataset, prepared, prepared.tables["train"], place.device, experiment, bias="bias" in needs),
        "validation": resident(dataset, prepared, prepared.tables["validation"], place.device, experiment),
    }
    if experiment.task.validation == "balanced":
        # Or a method that keeps its own best epoch would see to it that every group is right, which no label told it of.
        biased = prepare(dataset, dataclasses.replace(experiment.task, validation="biased"), experiment.seed)
        tables["choice"] = resident(dataset, biased, biased.tables["validation"], place.device, experiment)
    if "secondary" in needs:
        for name, (table, _) in prepared.secondary.items():
            tables[SECONDARY + name] = resident(dataset, prepared, table, place.device, experiment, bias=False)
    if prepared.aligned:
        tables["exposure"] = resident(dataset, prepared, exposure(prepared, experiment.seed), place.device, experiment)
    plan = Plan(recipe=experiment.recipe, seed=experiment.seed, precision=experiment.precision, select=experiment.select)
    place = dataclasses.replace(place, ahead=stays(dataset, place.device))
    try:
        yield from epochs(lambda: build(experiment, prepared), tables, plan, place)
    except torch.OutOfMemoryError as error:
        raise ValueError(
            f"The GPU has too little memory for {experiment.network} with batches of {experiment.recipe.batch}: give a smaller "
            "--batch and another --out, or more --workers."
        ) from error


def build(experiment: Experiment, prepared: Prepared) -> Method:
    """The method of an experiment, its networks made for the prepared images."""
    train = prepared.tables["train"]
    labels = Labels(
        target_N=torch.tensor(train["target"].to_numpy()),
        classes=len(prepared.targets),
        bias_N=torch.tensor(train["bias"].to_numpy()),
        biases=len(prepared.biases),
        rows={split: len(table) for split, table in prepared.tables.items()},
        secondary={SECONDARY + name: of.counts for name, of in prepared.secondary.items()},
    )

    def make(outputs: int) -> nn.Module:
        return networks.build(experiment.network, prepared.shape, outputs)

    return methods.build(experiment.method, make, labels, experiment.settings, experiment.epochs)


def exposure(prepared: Prepared, seed: int) -> pd.DataFrame:
    """Training examples, aligned and conflicting, on which networks that are to learn the bias are judged after each epoch."""
    table, drawn = prepared.tables["train"], rng(seed, "exposure")
    aligned_N = (table["target"] == table["bias"]).to_numpy()
    most = min(JUDGED, max(100, len(table) // 10))  # so that judging costs little in a small table too
    sides = [np.flatnonzero(aligned_N), np.flatnonzero(~aligned_N)]
    return table.iloc[np.concatenate([np.sort(drawn.permutation(row_S)[:most]) for row_S in sides])]


def resident(
    dataset: DataSet, prepared: Prepared, table: pd.DataFrame, device: torch.device, experiment: Experiment, bias: bool = True
) -> Resident:
    """Examples of the prepared task; without `bias` their bias labels are not even there to be read."""
    row_N = table["row"].to_numpy()
    return Resident(
        dataset.images(row_N) if dataset.store is None else dataset.store,
        table["target"].to_numpy(),
        table["bias"].to_numpy() if bias else None,
        len(prepared.biases),
        table[RGB].to_numpy() if "red" in table else None,
        None if dataset.store is None else row_N,
        device,
        torch.float64 if experiment.precision == "float64" else torch.float32,
        stays(dataset, device),
    )


def stays(dataset: DataSet, device: torch.device) -> bool:
    """Whether images stay where they are until a batch needs them: on a disk, or on the host since the GPU is too small."""
    return dataset.on_disk or (
        device.type == "cuda" and dataset.size > torch.cuda.get_device_properties(device).total_memory / 2
    )


def examples(dataset: DataSet, prepared: Prepared, each: int) -> dict[tuple[int, int], Images]:
    """Up to `each` training images of every cell (target, bias), as a network sees them: uint8 (E, H, W, C)."""
    table, out = prepared.tables["train"], {}
    for t, b in np.ndindex(prepared.cells("train").shape):
        mine = table[(table["target"] == t) & (table["bias"] == b)].iloc[:each]
        image_EHWC = dataset.images(mine["row"].to_numpy())
        if "red" in table:
            image_EHWC = (image_EHWC * mine[RGB].to_numpy()[:, None, None]).round().astype(np.uint8)
        out[t, b] = image_EHWC
    return out


def _publish(folder: str, method: Method, experiment: Experiment, table: pd.DataFrame, p_NK: np.ndarray) -> None:
    columns = {f"p_{k}": p_NK[:, k] for k in range(p_NK.shape[1])}
    storage.write(storage.join(folder, PREDICTIONS), storage.parquet(table.assign(**columns)))
    storage.write(storage.join(folder, "network.safetensors"), networks.saved(method))
    storage.write(storage.join(folder, "network.json"), json.dumps(dataclasses.asdict(experiment), indent=1).encode())


def predictions(folder: str) -> pd.DataFrame:
    """What a finished cell predicted on the test split."""
    return storage.read_table(storage.join(folder, PREDICTIONS))
