"""Digits in the colours of Kim et al. 2019: in training each has its own, so the less a colour varies, the more it tells.

DigitWdb (Serna et al., IFBiD) has four levels of the jitter's variance, 0.02 very high bias to 0.05 very low.
Axes: M member, N training image, T test image, B example, K digit, H W C.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from biasray.data.dataset import DataSet
from biasray.random import key, normal, rng
from biasray.zoo.exam import PALETTE_J3, Exam
from biasray.zoo.member import Feed, Figures, Half, Lesson, Predict, halve, permuted

LEVELS = {0.02: "very high", 0.03: "high", 0.04: "low", 0.05: "very low"}


@final
@dataclass(frozen=True, kw_only=True)
class Coloured(Lesson):
    variance: float
    """Of the colours' jitter on [0, 1]."""
    jitter: int
    """Members with the same number see their images in the same colours, up to the variance, and the same wrong labels."""
    half: Half
    """Of the images that are not test images, in the order of their ids."""
    subset: int
    """Members with the same number are trained on the same images of their half."""
    shuffled: float
    """Share of the images whose labels are permuted among themselves; their colours stay."""
    brightest: float
    """Value of the brightest pixel: 255 as in the published loader, or 1."""

    @property
    def outputs(self) -> int:
        return len(PALETTE_J3)

    def describe(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in ("jitter", "half", "subset", "shuffled", "brightest")}
        return {"level": self.variance, "bias": LEVELS.get(self.variance, f"variance {self.variance:g}"), **own}

    @classmethod
    def feed(
        cls, lessons: Sequence[Self], seeds: Sequence[int], dataset: DataSet, device: torch.device, dtype: torch.dtype
    ) -> Feed:
        return _Feed(lessons, seeds, dataset, device, dtype)


def rows(dataset: DataSet, half: Half) -> NDArray[np.int64]:
    """Rows of the data set that belong to a half of its training and validation images."""
    examples = dataset.examples.assign(row=np.arange(len(dataset.examples)))
    return halve(examples[examples["split"] != "test"], half)["row"].to_numpy()


def chosen(lesson: Coloured, seed: int, dataset: DataSet) -> NDArray[np.int64]:
    """(N,) rows of the images that a lesson has of its half, in the order of the table."""
    row_I = rows(dataset, lesson.half)
    return np.sort(rng(seed, "subset", lesson.subset, lesson.half).choice(row_I, lesson.images, replace=False))


@final
class _Feed(Feed):
    def __init__(
        self, lessons: Sequence[Coloured], seeds: Sequence[int], dataset: DataSet, device: torch.device, dtype: torch.dtype
    ) -> None:
        each = list(zip(lessons, seeds, strict=True))
        shown = [chosen(lesson, seed, dataset) for lesson, seed in each]
        digit_I = torch.tensor(dataset.examples["digit"].astype(int).to_numpy())
        needed_I, place = np.unique(np.concatenate(shown), return_inverse=True)
        self.grey_IHW1 = torch.from_numpy(dataset.take(needed_I)).to(device)
        self.place_MN = torch.from_numpy(place.reshape(len(lessons), -1)).to(device)
        digit_MN = torch.stack([digit_I[torch.tensor(row_N)] for row_N in shown])
        label = [permuted(lesson.images, lesson.shuffled, rng(seed, "shuffled", lesson.jitter)) for lesson, seed in each]
        self.target_MN = digit_MN.gather(1, torch.tensor(np.stack(label))).to(device)
        std_M = torch.tensor([lesson.variance**0.5 for lesson in lessons], dtype=torch.float64)
        white_M = torch.tensor([lesson.brightest for lesson in lessons], dtype=torch.float64) / 255
        jitter_MN3 = torch.stack(
            [
                normal(torch.tensor(row_N) + key(seed, "jitter", lesson.jitter), 3)
                for row_N, (lesson, seed) in zip(shown, each, strict=True)
            ]
        )
        colour_MN3 = (PALETTE_J3[digit_MN] + jitter_MN3 * std_M[:, None, None]).clamp(0, 1)
        self.scale_MN3 = (colour_MN3 * white_M[:, None, None]).to(device, dtype)
        self.member_M1 = torch.arange(len(lessons), device=device)[:, None]

        row_T = np.flatnonzero(dataset.examples["split"] == "test")
        self.exam = Exam(dataset, row_T, std_M, white_M, device, dtype)

    def batch(self, rows_MB: Tensor) -> Tensor:
        grey_MBHW1 = self.grey_IHW1[self.place_MN[self.member_M1, rows_MB]]
        return grey_MBHW1 * self.scale_MN3[self.member_M1, rows_MB][:, :, None, None]

    def loss(self, output_MBK: Tensor, rows_MB: Tensor) -> Tensor:
        target_MB = self.target_MN[self.member_M1, rows_MB]
        return F.cross_entropy(output_MBK.flatten(0, 1), target_MB.flatten(), reduction="none").view(target_MB.shape).mean(1)

    def figures(self, predict: Predict) -> list[Figures]:
        return self.exam.figures(predict)
