"""A member of a zoo: one small model, described by all that its weights depend on, and by nothing else.

Axes: M member, B example, K output, H W C.
"""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Self, final

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from biasray import storage
from biasray.data.dataset import DataSet
from biasray.networks import Shape
from biasray.predict import Precision
from biasray.recipe import Recipe

RESULTS = 1  # raised by hand when the training of members changes results

Half = Literal["first", "second"]  # of the training images: members of different halves share none
Predict = Callable[[Tensor], Tensor]  # image (M, B, H, W, C) -> output (M, B, K), float32 or float64
Figures = dict[str, float | list[float]]


class Feed(ABC):
    """What a pack of members is trained on, and tested on when it is trained."""

    @abstractmethod
    def batch(self, rows_MB: Tensor) -> Tensor:
        """(M, B, H, W, C) training images of each member."""

    @abstractmethod
    def loss(self, output_MBK: Tensor, rows_MB: Tensor) -> Tensor:
        """(M,) mean over each member's batch."""

    @abstractmethod
    def figures(self, predict: Predict) -> list[Figures]:
        """Of each member, on images that no member was trained on."""


@dataclass(frozen=True, kw_only=True)
class Lesson(ABC):
    """What a member learns, and from which images."""

    images: int
    """Training images."""

    @property
    @abstractmethod
    def outputs(self) -> int: ...

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Columns of the zoo's index."""

    @classmethod
    @abstractmethod
    def feed(
        cls, lessons: Sequence[Self], seeds: Sequence[int], dataset: DataSet, device: torch.device, dtype: torch.dtype
    ) -> Feed: ...


class Program(NamedTuple):
    """What members must have in common to be trained together."""

    kind: str
    network: str
    shape: Shape
    outputs: int
    images: int
    batch: int
    epochs: int
    optimiser: str
    precision: Precision


@final
@dataclass(frozen=True, kw_only=True)
class Member:
    lesson: Lesson
    data: str
    """Checksum of the data set."""
    network: str
    shape: Shape
    """C, H, W of the images that it sees."""
    recipe: Recipe
    epochs: int
    precision: Precision
    seed: int
    """Of the zoo; the numbers below draw from it."""
    init: int
    """Members with the same number start from the same weights."""
    order: int
    """Members with the same number see their images in the same order."""

    @property
    def id(self) -> str:
        kind = type(self.lesson).__name__
        return storage.fingerprint({"results": RESULTS, "kind": kind, **dataclasses.asdict(self)})

    @property
    def program(self) -> Program:
        lesson, recipe = self.lesson, self.recipe
        about = (type(lesson).__name__, self.network, self.shape, lesson.outputs, lesson.images)
        return Program(*about, recipe.batch, self.epochs, recipe.optimiser, self.precision)

    def describe(self) -> dict[str, Any]:
        """Its row in the zoo's index, before it is trained."""
        recipe = {name: getattr(self.recipe, name) for name in ("optimiser", "lr", "weight_decay", "batch", "schedule")}
        own = {name: getattr(self, name) for name in ("network", "epochs", "precision", "seed", "init", "order")}
        return {"id": self.id, **self.lesson.describe(), "images": self.lesson.images, **own, **recipe, "data": self.data}


def halve(examples: pd.DataFrame, half: Half) -> pd.DataFrame:
    """A half of these images, in the order of their ids."""
    ordered = examples.sort_values("id")
    first = len(ordered) // 2
    return ordered[:first] if half == "first" else ordered[first:]


def permuted(n: int, share: float, drawn: np.random.Generator) -> NDArray[np.int64]:
    """(N,) whose label each image gets: its own, but for a share that are permuted among themselves."""
    place_N = np.arange(n)
    wrong = drawn.choice(n, round(share * n), replace=False)
    place_N[wrong] = drawn.permutation(wrong)
    return place_N
