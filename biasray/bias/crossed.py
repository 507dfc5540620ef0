"""One data set to learn from, and the test images of several beside it. Axes: N example, R row of a part."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biasray import storage
from biasray.data.dataset import DataSet, Images, has_label

SET = "tested in"  # a column: the name of the data set that an image is from


class Crossed(NamedTuple):
    dataset: DataSet  # its test split holds those of all sets
    twins: dict[str, int]  # test images of each set that are left out, since the same image is learnt from


def crossed(learnt: DataSet, tested: Mapping[str, DataSet], target: str) -> Crossed:
    """Training and validation images of `learnt`, and of each of `tested` the test images that are not among them.

    Its examples have the columns id ('NAME: ID' in the test split), split, hash, the target and SET. Raises ValueError for
    images of different shapes, and for targets that have not the same values everywhere.
    """
    refuse_unlike([learnt, *tested.values()], target)
    own = learnt.examples[(learnt.examples["split"] != "test") & has_label(learnt.examples[target])]
    tables, twins = [own.assign(**{SET: ""})], {}
    for name, dataset in tested.items():
        test = dataset.examples[(dataset.examples["split"] == "test") & has_label(dataset.examples[target])]
        twin_N = test["hash"].isin(own["hash"])
        twins[name] = int(twin_N.sum())
        if twin_N.all():
            why = f"all of its {len(test):,} labelled ones are learnt from" if len(test) else f"none has a label of {target}"
            raise ValueError(f"{name} has no image to test on: of its test split {why}; give another data set.")
        tables.append(test[~twin_N].assign(**{SET: name, "id": f"{name}: " + test["id"]}))
    rows = [table.index.to_numpy() for table in tables]
    examples = pd.concat(tables, ignore_index=True)[["id", "split", "hash", target, SET]]
    checksum = storage.fingerprint([target, learnt.checksum, {name: dataset.checksum for name, dataset in tested.items()}])
    images = partial(_images, [learnt, *tested.values()], rows)
    return Crossed(
        replace(
            learnt,
            examples=examples,
            target=target,
            bias="",
            checksum=checksum,
            images=images,
            reading=None,
            store=None,
            shown=None,
            on_disk=False,
        ),
        twins,
    )


def refuse_unlike(datasets: Sequence[DataSet], target: str) -> None:
    """Raises ValueError where data sets cannot be crossed."""
    first = datasets[0]
    for dataset in datasets:
        if dataset.shape != first.shape:
            raise ValueError(
                f"Images of {first.name} are {first.shape}, those of {dataset.name} {dataset.shape}; import alike."
            )
        if target not in dataset.attributes:
            raise ValueError(f"{dataset.name} has no attribute '{target}'; it has: {', '.join(dataset.attributes) or 'none'}.")
        if pd.api.types.is_numeric_dtype(dataset.examples[target]):
            raise ValueError(f"Attribute '{target}' of {dataset.name} is a number; choose one with named values.")
        one, other = (sorted(set(of.examples[target]) - {""}) for of in (first, dataset))
        if one != other:
            raise ValueError(
                f"{target} is {', '.join(one)} in {first.name} and {', '.join(other)} in {dataset.name}; name them alike."
            )


def _images(datasets: Sequence[DataSet], rows: Sequence[NDArray[np.int64]], row_R: NDArray[np.int64]) -> Images:
    """Images of these examples; `rows` is where those of each data set are there, one set after another."""
    end_D = np.cumsum([len(part) for part in rows])
    c, h, w = datasets[0].shape
    out, start = np.empty((len(row_R), h, w, c), np.uint8), 0
    for dataset, part, end in zip(datasets, rows, end_D, strict=True):
        here_R = (row_R >= start) & (row_R < end)
        if here_R.any():
            out[here_R] = dataset.take(part[row_R[here_R] - start])
        start = end
    return out
