"""Has it unlearnt? What a trained network says of the target, and what can still be read from its representation.

A head that was made to fail says little: a fresh probe may read what it no longer can. So probes are trained anew on frozen
representations of the balanced set, where no target tells the attribute, and tested on others of it (five folds).
Axes: N test example, D feature, K class, T slot of time.
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from safetensors.torch import load
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from biasray import cell, storage
from biasray.bias.extreme import BALANCED, BIN
from biasray.bias.task import prepare
from biasray.data.ages import years
from biasray.data.dataset import DataSet
from biasray.experiment import Experiment
from biasray.loop import SCAN
from biasray.predict import Precision, predict
from biasray.world import Alone

FOLDS = 5
PROBES = ("linear", "mlp")


class Read(NamedTuple):
    """Of a finished cell, in the order of the test examples."""

    table: pd.DataFrame  # id, set, target, value, predicted, bins off, years, said years, `own head`, each probe: what they say
    feature_ND: NDArray[np.float32]


def read(experiment: Experiment, dataset: DataSet, folder: str) -> Read:
    """What the finished cell in `folder` says of its test examples, and what probes read of the first attribute in the
    balanced set.

    `dataset` is one that `bias.extreme.divided` made. Years, and how many bins it is off, stand where the target is an age,
    else NaN; a probe says -1 of examples outside of the balanced set.
    """
    prepared = prepare(dataset, experiment.task, experiment.seed)
    method, cpu, test = cell.build(experiment, prepared), torch.device("cpu"), prepared.tables["test"]
    precision: Precision = "float64" if experiment.precision == "float64" else "float32"  # what every CPU has
    method.to(torch.float64 if precision == "float64" else torch.float32)
    method.load_state_dict(load(storage.read(storage.join(folder, "network.safetensors"))))
    method.eval()
    images = cell.resident(dataset, prepared, test, cpu, experiment)
    network: Any = method.get_submodule("network")
    feature_ND = predict(network.features, images, SCAN * experiment.recipe.batch, Alone(), cpu, precision).logits_NK
    with torch.no_grad():
        own_N = method.get_submodule("tells_0")(feature_ND).argmax(1).numpy()
    said = cell.predictions(folder)
    found = said[["id", "target", "predicted"]].assign(set=test["set"], value=test["bias"], **{"own head": own_N})
    p_NK = said[[f"p_{k}" for k in range(len(prepared.targets))]].to_numpy()
    target = str(experiment.task.target).removesuffix(BIN)
    found = found.assign(**_ages(found, test[target], prepared.targets, p_NK))
    balanced_N = (found["set"] == BALANCED).to_numpy()
    for name in PROBES:
        read_N = np.full(len(found), -1)
        read_N[balanced_N] = probe(name, feature_ND.numpy()[balanced_N], found[balanced_N], experiment.seed)
        found[name] = read_N
    return Read(found, feature_ND.numpy())


def probe(name: str, feature_ND: NDArray[np.floating], table: pd.DataFrame, seed: int) -> NDArray[np.int64]:
    """(N,) the attribute's value as a new classifier reads it from frozen features of examples that it has not seen.

    linear: logistic regression; mlp: one hidden layer of 64. Folds have as much of each value, and of each target where there
    is enough of it.
    """
    last = {
        "linear": LogisticRegression(max_iter=5000),
        "mlp": MLPClassifier((64,), early_stopping=True, max_iter=500, random_state=seed),
    }[name]
    stratum_N = table["target"] * (table["value"].max() + 1) + table["value"]
    if stratum_N.value_counts().min() < FOLDS:
        stratum_N = table["value"]
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(feature_ND, stratum_N)
    return np.asarray(cross_val_predict(make_pipeline(StandardScaler(), last), feature_ND, table["value"], cv=list(folds)))


def _ages(found: pd.DataFrame, age_N: pd.Series, targets: tuple[str, ...], p_NK: NDArray[np.floating]) -> dict[str, Any]:
    """The true age in years, the mean of what the network says, and how many bins its likeliest is off."""
    try:
        middle_K, years_N = years(pd.Series(targets)), years(age_N)
    except ValueError:
        return dict.fromkeys(("years", "said years", "bins off"), np.full(len(found), np.nan))
    rank_K = rankdata(middle_K)
    off_N = np.abs(rank_K[found["predicted"]] - rank_K[found["target"]])
    return {"years": years_N, "said years": p_NK @ middle_K, "bins off": off_N}


def duel(folder: str) -> NDArray[np.float64]:
    """(T, 2) mean losses of the first attribute in the finished cell, learning and confusion, by slot of time; NaN where no
    step falls into one."""
    state = load(storage.read(storage.join(folder, "network.safetensors")))
    steps_T1 = state["steps_S"].double().numpy()[:, None]
    return np.asarray(state["duel_S2A"][:, :, 0].double().numpy() / np.where(steps_T1 > 0, steps_T1, np.nan))
