"""What an auditor takes along: images to ask about, and what references answered to them. No private image, no private label.

    kit.json             what it is, checksums of the other files, and a checksum of all that
    probes.parquet       images in the order in which they are asked about, PNG; names that tell nothing of them, and their ids
    references.parquet   a row a reference: architecture, mixture, answer to each probe, each figure of bias
    weights.parquet      W of an estimator that places models in a plane, a row a figure and axis
    intervals.parquet    half of the 90 % interval by number of answers and figure
    replays.parquet      of references that were left out and asked in turn, how far off they were told after each answer

Axes: R reference, N probe, T figure of bias.
"""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from biasray import storage
from biasray.audit import estimators
from biasray.audit.adaptive import Policy, from_table, rule
from biasray.audit.embedding import Embedding
from biasray.audit.estimators.local import Local
from biasray.audit.figures import Figure
from biasray.audit.study import Pool
from biasray.audit.targets.target import Probe

KIT, PROBES, REFERENCES = "kit.json", "probes.parquet", "references.parquet"
WEIGHTS, INTERVALS, REPLAYS = "weights.parquet", "intervals.parquet", "replays.parquet"


class Kit(NamedTuple):
    about: dict[str, Any]  # target, estimator, and where references, probes and truth are from
    probes: Sequence[Probe]
    pool: Pool
    intervals: pd.DataFrame  # budget, figure, half
    replays: pd.DataFrame  # id, figure, budget, off, spread
    weights: pd.DataFrame  # figure, axis, weight (N,)
    ids: Sequence[str] = ()  # of the probes in their data set; the black box never hears of them
    checksum: str = ""  # of a kit that was written

    def half(self, answers: int, figure: str) -> float:
        """Half of the 90 % interval with so many answers: that of the next smaller budget; infinite below the smallest."""
        mine = self.intervals[(self.intervals["figure"] == figure) & (self.intervals["budget"] <= answers)]
        return float(mine.sort_values("budget")["half"].iloc[-1]) if len(mine) else np.inf

    def estimator(self, known_N: NDArray[np.bool_]) -> Any:
        """What estimates bias from answers to these of the images. Where it is all of them nothing has to be learnt anew."""
        made, answer_RN = estimators.known(self.about["estimator"])(), self.pool.answer_RN[:, known_N]
        if isinstance(made, Embedding) and known_N.all():
            weight_EN = torch.from_numpy(np.stack(self.weights["weight"].to_list()))
            return made.known(answer_RN, self.pool.truth_RT, weight_EN.reshape(len(self.pool.figures), -1, len(known_N)))
        return made.fit(answer_RN, self.pool.truth_RT)

    def policy(self, within: float, most: int) -> Policy:
        """What to ask next, and when to stop: as soon as half of every 90 % interval is `within` at most."""
        mine = self.replays[self.replays["budget"] <= most]
        replays = from_table(mine.merge(self.pool.about[["id", "network"]], on="id"))
        learnt = Local().fit(self.pool.answer_RN, self.pool.truth_RT)
        return Policy(learnt, rule(within, replays), most)


def write(kit: Kit, folder: str) -> str:
    """Store a kit; returns its checksum. Raises ValueError for a folder that is not empty."""
    if storage.names(folder):
        raise ValueError(f"{folder} is not empty; give another --out.")
    pool = kit.pool
    truth = {f"bias {k}": pool.truth_RT[:, k] for k in range(len(pool.figures))}
    references = pool.about[["id", "network", "bias"]].assign(answers=list(pool.answer_RN), **truth)
    tables = {
        PROBES: pd.DataFrame(kit.probes, columns=["probe", "image"]).assign(id=list(kit.ids)),
        REFERENCES: references,
        INTERVALS: kit.intervals,
        REPLAYS: kit.replays,
        WEIGHTS: kit.weights,
    }
    files = {name: storage.parquet(table) for name, table in tables.items()}
    for name, data in files.items():
        storage.write(storage.join(folder, name), data)
    about = {**kit.about, "figures": [list(figure) for figure in pool.figures]}
    manifest = {"about": about, "files": {name: storage.checksum(data) for name, data in files.items()}}
    checksum = _checksum(manifest)
    storage.write_json(storage.join(folder, KIT), {**manifest, "checksum": checksum})
    return checksum


def read(folder: str) -> Kit:
    """Raises ValueError for a folder without a kit, and for a kit in which a byte was changed."""
    if not storage.exists(storage.join(folder, KIT)):
        raise ValueError(f"{folder} holds no kit: it has no {KIT}; give the folder that `pipelines.audit prepare` made.")
    manifest = storage.read_json(storage.join(folder, KIT))
    checksum = manifest.pop("checksum", "")
    if checksum != _checksum(manifest):
        raise ValueError(f"{folder}/{KIT} was changed: it has another checksum than it says; get the kit anew.")
    for name, expected in manifest["files"].items():
        if storage.checksum(storage.read(storage.join(folder, name))) != expected:
            raise ValueError(f"{folder}/{name} was changed: {KIT} has another checksum; get the kit anew.")
    names = (PROBES, REFERENCES, INTERVALS, REPLAYS, WEIGHTS)
    probes, references, *learnt = (storage.read_table(storage.join(folder, name)) for name in names)
    intervals, replays, weights = learnt
    about = manifest["about"]
    figures = [Figure(*figure) for figure in about.pop("figures")]
    truth_RT = references[[f"bias {k}" for k in range(len(figures))]].to_numpy(np.float64)
    pool = Pool(
        np.stack(references["answers"].to_list()), truth_RT, figures, references[["id", "network", "bias"]], about["target"]
    )
    asked = [Probe(*row) for row in probes[["probe", "image"]].itertuples(index=False)]
    return Kit(about, asked, pool, intervals, replays, weights, probes["id"].tolist(), checksum)


def _checksum(manifest: dict[str, Any]) -> str:
    return storage.checksum(json.dumps(manifest, sort_keys=True).encode())
