"""One adaptation: a start model, a pool without labels, a method; trained, and tested on images that nothing was chosen by.

Axes: N image, K class.
"""

import dataclasses
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from safetensors.torch import load
from torch import Tensor, nn

from biasray import adaptation, networks, storage
from biasray.bias.colour import RGB
from biasray.bias.part import ALL
from biasray.bias.task import Prepared, Task, prepare
from biasray.contract import Labels
from biasray.data.dataset import DataSet
from biasray.loop import SCAN, Place, Plan, Tick, epochs
from biasray.predict import Precision, predict
from biasray.recipe import Recipe
from biasray.resident import Resident
from biasray.world import Alone

DONE, PREDICTIONS = "done.json", "predictions.parquet"
RESULTS = 2  # raised by hand when what is trained changes
CHOICE = "worst class of validation"  # of the adapted model, and of the start model
NETWORK = "network."  # begins the names of the tensors that a start model predicts by


class Start(NamedTuple):
    """A classifier that `pipelines.debias` or another comparison trained by plain minimisation of the loss."""

    folder: str
    task: Task
    seed: int
    network: str
    checksum: str  # of its weights
    made: dict[str, Any]  # all that determined it but its seed

    @property
    def level(self) -> str:
        """What it learnt from, which is how biased it is."""
        of = self.task
        agreement = [] if of.agreement is None else [f"{of.bias} {of.agreement:g}"]
        return ", ".join([*([of.only] if of.only != ALL or not agreement else []), *agreement])


def start(folder: str) -> Start:
    """Raises ValueError where the folder holds no such model."""
    file, weights = (storage.join(folder, name) for name in ("network.json", "network.safetensors"))
    if not (storage.exists(file) and storage.exists(weights)):
        raise ValueError(f"{folder} holds no trained model; give a folder below cells/ of a comparison.")
    made = storage.read_json(file)
    if made.get("method") != "erm":
        raise ValueError(f"{folder} was not trained by erm but by {made.get('method')}; give a plain classifier.")
    fields: dict[str, Any] = {name: tuple(x) if isinstance(x, list) else x for name, x in made["task"].items()}
    others = {name: x for name, x in made.items() if name not in ("seed", "called")}
    return Start(folder, Task(**fields), made["seed"], made["network"], storage.checksum(storage.read(weights)), others)


@final
@dataclass(frozen=True, kw_only=True)
class Adaptation:
    """Nothing in it is left open, and all of it but names of places is in its hash."""

    called: str
    """Name in a comparison."""
    start: str
    start_checksum: str
    pool: str
    """Which images there are without labels."""
    pool_checksum: str
    test_checksum: str
    classes: tuple[str, ...]
    method: str
    settings: dict[str, Any]
    recipe: Recipe
    epochs: int
    network: str
    precision: Precision
    seed: int

    def fingerprint(self) -> str:
        """Of what determines the result."""
        fields = dataclasses.asdict(self)
        for name in ("called", "start", "pool"):
            del fields[name]
        return storage.fingerprint({**fields, "results": RESULTS})


class Images(NamedTuple):
    """Images of a data set, some of its rows, and their classes."""

    dataset: DataSet
    row_N: NDArray[np.int64]
    target_N: NDArray[np.int64]

    def table(self, device: torch.device, precision: Precision) -> Resident:
        dtype = torch.float64 if precision == "float64" else torch.float32
        store, place_N = self.dataset.store, self.row_N
        images = self.dataset.take(self.row_N) if store is None else store
        return Resident(images, self.target_N, place_N=None if store is None else place_N, device=device, dtype=dtype)


def classified(dataset: DataSet, row_N: NDArray[np.int64], target: str, classes: tuple[str, ...]) -> Images:
    """Rows of a data set with their classes in the order in which a model knows them; -1 where there is no label."""
    if target not in dataset.examples:
        return Images(dataset, row_N, np.full(len(row_N), -1))
    place = {name: k for k, name in enumerate(classes)}
    return Images(dataset, row_N, dataset.examples[target].iloc[row_N].map(place).fillna(-1).to_numpy(np.int64))


def learnt(of: Start, dataset: DataSet) -> Prepared:
    """What the start model learnt from, as it was. Raises ValueError where the data are others now, where a class has no
    validation image, and for digits that were coloured for it."""
    if of.made["data_checksum"] != dataset.checksum:
        raise ValueError(f"{of.task.data} holds other data than {of.folder} learnt from; train it again.")
    prepared = prepare(dataset, of.task, of.seed)
    if RGB[0] in prepared.tables["train"]:
        raise ValueError(f"{of.folder} learnt from coloured digits; give a model of images as they are stored.")
    if absent := set(range(len(prepared.targets))) - set(prepared.tables["validation"]["target"]):
        name, why = prepared.targets[min(absent)], "by which ways to adapt are judged and chosen"
        raise ValueError(f"{of.folder} has no validation image of {name}, {why}; train it with --validation balanced.")
    return prepared


def weights(of: Start, shape: networks.Shape, classes: int) -> Callable[[int], nn.Module]:
    """Builds the network with what it has learnt. Raises ValueError where the weights are of another network."""
    tensors = load(storage.read(storage.join(of.folder, "network.safetensors")))
    state = {name.removeprefix(NETWORK): tensor for name, tensor in tensors.items() if name.startswith(NETWORK)}

    def make(outputs: int) -> nn.Module:
        network = networks.build(of.network, shape, outputs)
        try:
            network.load_state_dict(state)
        except RuntimeError as error:
            said = str(error).splitlines()[-1].strip()
            raise ValueError(f"The weights in {of.folder} are not of {of.network} for {classes} classes: {said}") from error
        return network

    return make


def adapt(
    adapting: Adaptation,
    source: DataSet,
    pool: Images,
    test: Images,
    folder: str,
    device: torch.device,
    progress: Callable[[Tick], None] = lambda tick: None,
    save_seconds: float = 30.0,
    leaving: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Train an adaptation to its end and test it, or go on where its folder left off; a finished one is only read.

    Leaves `predictions.parquet` (id, target, predicted, p_0 ... of the test images, and `started`, what the start model says),
    `network.safetensors` with `network.json`, and last `done.json`, which is returned; in it is how well it tells the worst
    class of the start model's validation images, and how well the start model did: what to choose by. The classes of the pool
    reach no method but those that need "labelled".
    """
    if storage.exists(storage.join(folder, DONE)):
        done: dict[str, Any] = storage.read_json(storage.join(folder, DONE))
        return done
    began, of = time.monotonic(), start(adapting.start)
    prepared, precision = learnt(of, source), adapting.precision
    tables = {name: _learnt(source, prepared.tables[name]).table(device, precision) for name in ("train", "validation")}
    tables["unlabelled"] = pool._replace(target_N=np.zeros_like(pool.target_N)).table(device, precision)
    if "labelled" in adaptation.get(adapting.method).needs:
        known_R = pool.target_N >= 0
        if not known_R.any():
            raise ValueError(f"No image of the pool has a label, which {adapting.method} learns from; leave it out.")
        tables["labelled"] = Images(pool.dataset, pool.row_N[known_R], pool.target_N[known_R]).table(device, precision)
    target_N = torch.tensor(prepared.tables["train"]["target"].to_numpy())
    told = Labels(target_N, len(adapting.classes), rows={name: len(of) for name, of in tables.items()}, names=adapting.classes)
    make = weights(of, prepared.shape, len(adapting.classes))
    plan = Plan(recipe=adapting.recipe, seed=adapting.seed, precision=precision)
    place = Place(folder=folder, since=began, device=device, save_seconds=save_seconds, leaving=leaving, progress=progress)

    def build() -> Any:
        return adaptation.build(adapting.method, make, told, adapting.settings, adapting.epochs)

    *_, (method, history, seconds) = epochs(build, tables, plan, place)
    seen = test.table(device, precision)
    network = make(len(adapting.classes)).to(device).to(memory_format=torch.channels_last).eval()
    dtype = torch.float64 if precision == "float64" else torch.float32
    p_NK, before_NK = (_told(one, seen, adapting, device) for one in (method.eval().predict, network.to(dtype)))
    table = test.dataset.examples[["id"]].iloc[test.row_N].reset_index(drop=True)
    table = table.assign(target=test.target_N, predicted=p_NK.argmax(1).numpy(), started=before_NK.argmax(1).numpy())
    table = table.assign(**{f"p_{k}": p_NK[:, k].numpy() for k in range(p_NK.shape[1])})
    known, known_V = tables["validation"], prepared.tables["validation"]["target"].to_numpy()
    worst = [_worst(_told(one, known, adapting, device), known_V) for one in (method.predict, network)]
    storage.write(storage.join(folder, PREDICTIONS), storage.parquet(table))
    storage.write(storage.join(folder, "network.safetensors"), networks.saved(method))
    storage.write(storage.join(folder, "network.json"), json.dumps(dataclasses.asdict(adapting), indent=1).encode())
    made = {"device": str(device), "workers": 1, "threads": torch.get_num_threads(), "torch": torch.__version__}
    result = {"adaptation": adapting.fingerprint(), "history": history, "seconds": seconds, "made": made, CHOICE: worst}
    storage.write_json(storage.join(folder, DONE), result)
    storage.delete(storage.join(folder, "state.pt"))
    return result


def _learnt(source: DataSet, table: pd.DataFrame) -> Images:
    return Images(source, table["row"].to_numpy(), table["target"].to_numpy())


def _told(predictor: Callable[[Tensor], Tensor], table: Resident, adapting: Adaptation, device: torch.device) -> Tensor:
    """(N, K) probabilities."""
    seen = predict(predictor, table, SCAN * adapting.recipe.batch, Alone(), device, adapting.precision)
    return seen.logits_NK.softmax(1)


def _worst(p_VK: Tensor, target_V: NDArray[np.int64]) -> float:
    """Accuracy of the class that is told worst."""
    right_V = p_VK.argmax(1).numpy() == target_V
    return float(min(right_V[target_V == k].mean() for k in np.unique(target_V)))


def predictions(folder: str) -> pd.DataFrame:
    """What a finished adaptation says of the test images."""
    return storage.read_table(storage.join(folder, PREDICTIONS))
