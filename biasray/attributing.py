"""Training a region classifier, and reading images with it. Axes: N image, A place along one side."""

import dataclasses
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load

from biasray import networks, storage
from biasray.attribution.classifier import RegionClassifier
from biasray.attribution.confidence import Confidence
from biasray.attribution.reading import Read, read
from biasray.attribution.regions import Grid
from biasray.attribution.values import NONE, Values
from biasray.data.dataset import DataSet, Images
from biasray.loop import Place, Plan, Tick, epochs
from biasray.predict import Precision
from biasray.recipe import Recipe
from biasray.resident import Resident

DONE, NETWORK = "done.json", "network.safetensors"
RESULTS = 1  # raised by hand when what is trained or read changes


@final
@dataclass(frozen=True, kw_only=True)
class Learning:
    """One region classifier; nothing in it is left open."""

    data: str
    checksum: str
    values: Values
    network: str
    grid: Grid
    epochs: int
    recipe: Recipe
    smoothing: float
    precision: Precision
    seed: int

    def fingerprint(self) -> str:
        """Of what determines the result."""
        return storage.fingerprint({**dataclasses.asdict(self), "data": "", "results": RESULTS})

    def build(self, channels: int) -> RegionClassifier:
        """Raises ValueError for a network that does not take such patches."""
        shape = (channels + 1, self.grid.patch, self.grid.patch)
        network = networks.build(self.network, shape, len(self.values.names))
        return RegionClassifier(network, self.grid, self.smoothing, self.epochs)


def learn(
    learning: Learning,
    dataset: DataSet,
    folder: str,
    device: torch.device,
    progress: Callable[[Tick], None] = lambda tick: None,
    save_seconds: float = 30.0,
) -> dict[str, Any]:
    """Train a region classifier on the training split, or go on where its folder left off; a finished one is only read.

    Leaves `network.safetensors` with `network.json`, and last `done.json`, which is returned. Raises ValueError where there is
    nothing to learn from.
    """
    if storage.exists(storage.join(folder, DONE)):
        done: dict[str, Any] = storage.read_json(storage.join(folder, DONE))
        return done
    began, code_N = time.monotonic(), learning.values.codes(dataset.examples)
    tables = {}
    for split in ("train", "validation"):
        row_N = np.flatnonzero((dataset.examples["split"] == split) & (code_N != NONE))
        if not len(row_N):
            raise ValueError(f"No {split} image of {dataset.name} has a label of {learning.values.attribute}; label some.")
        images = dataset.take(row_N) if dataset.store is None else dataset.store
        place_N = None if dataset.store is None else row_N
        dtype = torch.float64 if learning.precision == "float64" else torch.float32
        tables[split] = Resident(images, code_N[row_N], place_N=place_N, device=device, dtype=dtype, on_host=dataset.on_disk)
    plan = Plan(recipe=learning.recipe, seed=learning.seed, precision=learning.precision)
    place = Place(
        folder=folder, since=began, device=device, save_seconds=save_seconds, progress=progress, ahead=dataset.on_disk
    )
    *_, (method, history, seconds) = epochs(lambda: learning.build(dataset.shape[0]), tables, plan, place)
    storage.write(storage.join(folder, NETWORK), networks.saved(method))
    storage.write(storage.join(folder, "network.json"), json.dumps(dataclasses.asdict(learning), indent=1).encode())
    result = {
        "learning": learning.fingerprint(),
        "channels": dataset.shape[0],
        "images": len(tables["train"]),
        "unlabelled": int(((dataset.examples["split"] == "train") & (code_N == NONE)).sum()),
        "history": history,
        "seconds": seconds,
        "made": {"device": str(device), "workers": 1, "threads": torch.get_num_threads(), "torch": torch.__version__},
    }
    storage.write_json(storage.join(folder, DONE), result)
    storage.delete(storage.join(folder, "state.pt"))
    return result


@final
class Reader:
    """A trained region classifier, ready to be asked about images of the same shape, labelled or not."""

    def __init__(self, learning: Learning, folder: str, device: torch.device) -> None:
        done = storage.read_json(storage.join(folder, DONE))
        self.classifier, self.device = learning.build(done["channels"]), device
        self.precision = learning.precision
        self.classifier.load_state_dict(load(storage.read(storage.join(folder, NETWORK))))
        dtype = torch.float64 if learning.precision == "float64" else torch.float32
        self.classifier.to(device, dtype).to(memory_format=torch.channels_last).eval()

    def read(self, image_NHWC: Images, target_N: NDArray[np.int64], confidence: Confidence) -> Read:
        """Region maps of these images; `target_N` is their code, or -1 where they have no label."""
        return read(self.classifier, image_NHWC, target_N, confidence, self.device, self.precision)
