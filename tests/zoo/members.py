"""Small members for the zoo's tests."""

import dataclasses
from typing import Any

import numpy as np

from biasray import data
from biasray.data.dataset import DataSet
from biasray.recipe import Recipe
from biasray.zoo.digits import LEVELS, Coloured
from biasray.zoo.member import Member


def few(dataset: DataSet, test: int) -> DataSet:
    """The data set with so many test images, so that testing costs little."""
    is_test = dataset.examples["split"] == "test"
    row_N = np.flatnonzero(~is_test | (is_test.cumsum() <= test))
    return dataclasses.replace(
        dataset, examples=dataset.examples.iloc[row_N].reset_index(drop=True), store=dataset.images(row_N)
    )


DIGITS = few(data.load("digits"), 30)


def member(number: int = 0, **changes: Any) -> Member:
    """One of several that differ in all that members of one program may differ in."""
    drawn: dict[str, Any] = {"jitter": number, "half": "first", "subset": number, "shuffled": 0.1 * number}
    lesson = Coloured(images=100, variance=list(LEVELS)[number % 4], brightest=255.0, **drawn)
    rates = {
        "lr": 1e-3 * (1 + number),
        "weight_decay": 0.01 * number,
        "batch": 32,
        "schedule": ["constant", "cosine"][number % 2],
    }
    fields: dict[str, Any] = {
        "lesson": dataclasses.replace(lesson, **{k: changes.pop(k) for k in list(changes) if hasattr(lesson, k)}),
        "data": DIGITS.checksum, "network": "digit-cnn", "shape": (3, 28, 28),
        "recipe": Recipe(**{**rates, **{k: changes.pop(k) for k in list(changes) if hasattr(Recipe(), k)}}),
        "epochs": 2, "precision": "float64", "seed": 0, "init": number, "order": number,
    }  # fmt: skip
    return Member(**{**fields, **changes})
