"""What a detector is tried on: splits of a zoo's members, and the levels it then reads.

Axes: M member, P weight, K level of bias, in ascending order of what makes it.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, StratifiedKFold, train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from biasray.networks.layout import Layout
from biasray.random import key
from biasray.weights import detectors
from biasray.weights.chain import shuffled
from biasray.weights.detectors import Front, Layers
from biasray.weights.features import Statistics
from biasray.weights.fronts import Augmented
from biasray.weights.neural import Neural

RESULTS = 2  # raised by hand when what is read changes
Split = Literal["random", "group", "original", "re-shuffled", "adapted"]
FOLDS = 5
GROUPS = ("half", "init", "jitter", "order", "subset")  # what members can have in common besides their level
TRAINED = 0.7  # of the members, in the re-shuffled form
PYTHON = 3 * 2**28  # bytes of a process that has done nothing yet
ADAPTED = 0.8  # of the members of another family

Rows = NDArray[np.int64]


class Models(NamedTuple):
    index: pd.DataFrame  # a row a model
    weight_MP: Tensor
    layout: Layout


class Fold(NamedTuple):
    train: Rows  # rows of the index
    test: Rows
    before: Rows | None = None  # of others' index, or of the same: models to learn from first


Parts = Mapping[tuple[Split, int], Fold]  # every fold of every split


@final
@dataclass(frozen=True)
class Reading:
    """One detector, fitted once."""

    detector: str
    layers: Layers
    front: Front
    split: Split
    fold: int
    seed: int
    members: int | None = None
    """To learn from, as many of each level; None: all of the fold's."""
    tuned: bool = False
    """Starts from what it learnt from the fold's other models."""


def levels(index: pd.DataFrame) -> NDArray[np.int64]:
    """(M,) the place of each member's level among all. Raises ValueError for a zoo that has no two, or no numbers."""
    known = sorted(index["level"].unique()) if "level" in index else []
    if len(known) < 2:
        raise ValueError("A detector needs members of two levels of bias or more; this zoo has not.")
    if not pd.api.types.is_numeric_dtype(index["level"]):
        raise ValueError(
            f"The zoo's levels are words, such as '{known[0]}', which have no order: import it with numbers as `level`, and "
            "the words as `bias`."
        )
    return np.searchsorted(known, index["level"].to_numpy())


def folds(
    index: pd.DataFrame, split: Split, seed: int, group: str | None = None, other: pd.DataFrame | None = None
) -> list[Fold]:
    """The folds of a split.

    random: five parts of alike levels. group: five parts, or fewer, no two of which have a value of `group` in common.
    original: learn from members of one half of the images, test on those of the other (Sialelli et al.). re-shuffled: learn
    from 70 % of each half, test on the rest. adapted: learn from all members, then from 80 % of the zoo `other`'s, test on its
    rest; where there is no other, its part is the second half's. Raises ValueError for what the members do not vary in.
    """
    code_M, rows = levels(index), np.arange(len(index))
    if (fewest := int(np.bincount(code_M).min())) < FOLDS:
        raise ValueError(f"A level has {fewest} members only; a detector needs {FOLDS} of each: give a larger zoo.")
    if split == "random":
        parts = StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(rows, code_M)
        return [Fold(train, test) for train, test in parts]
    if split == "adapted" and other is not None:
        if sorted(other["level"].unique()) != sorted(index["level"].unique()):
            raise ValueError("The zoo to adapt to has other levels of bias than the first; give two with the same.")
        return [Fold(*_parted(np.arange(len(other)), levels(other), ADAPTED, seed), rows)]
    column = grouped_by(index, group) if split == "group" else "half"
    if column not in index or index[column].nunique() < 2:
        raise ValueError(f"All members have the same {column}, so --split {split} has nothing to part them by; give another.")
    if split == "group":
        folder = GroupKFold(min(FOLDS, index[column].nunique()))
        parts = [Fold(*part) for part in folder.split(rows, code_M, index[column].astype(str))]
        return [_seen(fold, code_M, column) for fold in parts]
    first = index[column].to_numpy() == sorted(index[column].unique())[0]
    if split == "original":
        return [_seen(Fold(rows[first], rows[~first]), code_M, column)]
    if split == "adapted":
        return [Fold(*_parted(rows[~first], code_M[~first], ADAPTED, seed), rows[first])]
    return [Fold(*_parted(rows, 2 * code_M + first, TRAINED, seed))]


def _seen(fold: Fold, code_M: NDArray[np.int64], column: str) -> Fold:
    """The fold; raises ValueError where it would be asked about levels that it cannot learn."""
    if set(code_M[fold.test]) - set(code_M[fold.train]):
        raise ValueError(
            f"Some levels have members of one {column} only, so a fold would be asked about levels that it has not seen; give "
            "another --split or --group."
        )
    return fold


def _parted(rows: Rows, alike: NDArray[np.int64], share: float, seed: int) -> tuple[Rows, Rows]:
    """So large a share of the rows and the rest, both with the same shares of what is alike."""
    try:
        kept, rest = train_test_split(rows, train_size=share, stratify=alike, random_state=seed)
    except ValueError as error:
        raise ValueError(
            f"{len(rows)} models are too few to part them with some of each level on both sides; give a larger zoo."
        ) from error
    return np.sort(kept), np.sort(rest)


def grouped_by(index: pd.DataFrame, group: str | None) -> str:
    """The column that parts groups: the one asked for, else the first that has several values."""
    if group is not None:
        if group not in index:
            raise ValueError(
                f"--group {group}: the zoo knows nothing of it; it knows {', '.join(g for g in GROUPS if g in index)}."
            )
        return group
    return next((name for name in GROUPS if name in index and len(set(index[name])) > 1), GROUPS[0])


def read(reading: Reading, fold: Fold, models: Models, first: Models | None = None) -> pd.DataFrame:
    """The levels of the fold's test members, a row each: `level`, the `read` one, the one `shuffled`, and `p 0`, `p 1`, ...

    `shuffled` is the control: read from the same network with its hidden units in another order, so that it computes the
    same. What a detector reads by the place of a weight, and not by what the network does, is lost there. The fold's other
    models are those of the zoo `first`, or of the same where there is none. Raises ValueError for a detector that cannot be
    fine-tuned.
    """
    index, weight_MP, at = models
    code_M = levels(index)
    train = fold.train if reading.members is None else _parted(fold.train, code_M[fold.train], reading.members, reading.seed)[0]
    began = time.monotonic()
    detector = _made(reading, at)
    detector.fit(weight_MP[train].numpy(), code_M[train], **(_start(reading, fold, first or models) if reading.tuned else {}))
    seconds = time.monotonic() - began
    test_MP = weight_MP[fold.test]
    p_MK = detector.predict_proba(test_MP.numpy())
    moved = detector.predict(shuffled(test_MP, at, key(reading.seed, "control")).numpy())
    found = {"id": index["id"].to_numpy()[fold.test], "level": code_M[fold.test], "read": detector.predict(test_MP.numpy())}
    p = {f"p {level}": p_MK[:, k] for k, level in enumerate(detector.classes_)}
    return pd.DataFrame({**found, "shuffled": moved, **p, "seconds": seconds, "trained": len(train)})


def memory(reading: Reading, zoos: Sequence[Models]) -> int:
    """Bytes that a fit takes at the most; the last of the zoos is the one that is read.

    A neural detector's weights with their gradients, what Adam keeps, the best so far and Adam's own sums: measured, 8 times
    the weights, and what it computes of a batch. Of the zoo, which is shared, copies for scikit-learn and the control.
    """
    index, _, at = zoos[-1]
    detector = _made(reading, at)
    copies, plain = (detector.copies, detector.detector) if isinstance(detector, Augmented) else (1, detector)
    last, numbers = plain.steps[-1][1], 3 * copies * max(zoo.weight_MP.numel() for zoo in zoos)
    if isinstance(last, Neural):
        numbers += 8 * last.size(index["level"].nunique()) + last.by_weight * last.batch * at.size
    return PYTHON + 4 * numbers


def _made(reading: Reading, at: Layout) -> Any:
    return detectors.build(reading.detector, at, reading.seed, reading.layers, reading.front)


def _start(reading: Reading, fold: Fold, first: Models) -> dict[str, Any]:
    """What a fit is given to start from the same detector, fitted on the fold's other models."""
    assert fold.before is not None
    learnt = _made(reading, first.layout)
    learnt.fit(first.weight_MP[fold.before].numpy(), levels(first.index)[fold.before])
    name, last = (learnt.detector_ if isinstance(learnt, Augmented) else learnt).steps[-1]
    return {f"{name}__start": last}


def by_accuracy(fold: Fold, index: pd.DataFrame) -> NDArray[np.int64]:
    """The oracle: levels of the test members read from their own accuracy on unbiased images, by a Gaussian a level."""
    code_M, accuracy_M1 = levels(index), index[["accuracy"]].to_numpy()
    learnt = GaussianNB().fit(accuracy_M1[fold.train], code_M[fold.train])
    return np.asarray(learnt.predict(accuracy_M1[fold.test]))


def lonelier(weight_P: Tensor, weight_MP: Tensor, at: Layout) -> float:
    """Share of the members that have a nearer neighbour than this model has, by the statistics of their layers.

    Near 1 the model is unlike the zoo, and what a detector says of it rests on nothing.
    """
    scaler, statistics = StandardScaler(), Statistics(at)
    member_MF = scaler.fit_transform(statistics.transform(weight_MP.numpy()))
    model_1F = scaler.transform(statistics.transform(weight_P[None].numpy()))
    near = NearestNeighbors(n_neighbors=2).fit(member_MF)
    own_M = near.kneighbors(member_MF)[0][:, 1]  # the nearest is the member itself
    return float((own_M < near.kneighbors(model_1F)[0][0, 0]).mean())
