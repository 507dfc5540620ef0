"""What a start model says, before it is adapted, of pools without labels and of the validation images of its own data.

Axes: V validation image, R row of the data set of the pools, P row of a pool, D feature, K class.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from biasray import storage
from biasray.adaptation.guard import Told, directions
from biasray.adapting import Images, learnt, start, weights
from biasray.contract import Predict
from biasray.data.dataset import DataSet
from biasray.predict import Precision, predict
from biasray.world import Alone

LOOKED = "looked.json"
BATCH = 512
MOST = 2000  # images whose features are compared


class Look(NamedTuple):
    """Which start model is asked, and how."""

    start: str  # folder
    precision: Precision


def look(
    asked: Look,
    source: DataSet,
    unlabelled: DataSet,
    pools: Mapping[str, NDArray[np.int64]],
    folder: str,
    device: torch.device,
) -> None:
    """Leave validation.parquet and pool.parquet (p_0 ..., with `target` and `row`), and last `looked.json`: in how many
    directions the images of each pool vary over those of validation, as many of each; and the shares of the classes among the
    images that it learnt from."""
    of = start(asked.start)
    prepared = learnt(of, source)
    dtype = torch.float64 if asked.precision == "float64" else torch.float32
    make = weights(of, prepared.shape, len(prepared.targets))
    network = make(len(prepared.targets)).to(device, dtype).to(memory_format=torch.channels_last).eval()

    def seen(predictor: Predict, images: Images) -> Tensor:
        return predict(predictor, images.table(device, asked.precision), BATCH, Alone(), device, asked.precision).logits_NK

    known = Images(source, *(prepared.tables["validation"][name].to_numpy() for name in ("row", "target")))
    row_R = np.unique(np.concatenate(list(pools.values())))
    for name, images, told in (("validation", known, "target"), ("pool", _unlabelled(unlabelled, row_R), "row")):
        p_NK = seen(network, images).softmax(1).numpy()
        first = images.target_N if told == "target" else images.row_N
        table = {told: first, **{f"p_{k}": p_NK[:, k] for k in range(p_NK.shape[1])}}
        storage.write(storage.join(folder, f"{name}.parquet"), storage.parquet(pd.DataFrame(table)))
    features: Predict = network.features  # type: ignore[assignment]
    spreads = {}
    for name, row_P in pools.items():
        n = min(MOST, len(row_P), len(known.row_N))
        part = _unlabelled(unlabelled, _evenly(row_P, n))
        here, there = part, Images(source, _evenly(known.row_N, n), _evenly(known.target_N, n))
        own, theirs = (directions(seen(features, images).double().numpy()) for images in (here, there))
        spreads[name] = own / theirs if theirs else 0.0
    count_K = np.bincount(prepared.tables["train"]["target"], minlength=len(prepared.targets))
    storage.write_json(storage.join(folder, LOOKED), {"spread": spreads, "labelled": (count_K / count_K.sum()).tolist()})


def told(folder: str, pool: str, row_P: NDArray[np.int64]) -> Told:
    """What was left in a folder, of one pool."""
    known, every = (storage.read_table(storage.join(folder, f"{name}.parquet")) for name in ("validation", "pool"))
    columns = [name for name in known if name.startswith("p_")]
    p_PK = every.set_index("row").loc[row_P, columns].to_numpy(np.float64)
    looked, target_V = storage.read_json(storage.join(folder, LOOKED)), known["target"].to_numpy(np.int64)
    labelled_K = np.array(looked["labelled"])
    return Told(known[columns].to_numpy(np.float64), target_V, p_PK, labelled_K, looked["spread"][pool])


def _unlabelled(dataset: DataSet, row_N: NDArray[np.int64]) -> Images:
    return Images(dataset, row_N, np.zeros(len(row_N), np.int64))


def _evenly(row_N: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """So many of them, from the first to the last."""
    return row_N[np.linspace(0, len(row_N) - 1, n).astype(np.int64)]
