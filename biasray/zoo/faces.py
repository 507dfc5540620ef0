"""Faces of which some groups are rare: age regressors and gender classifiers, the references of an audit.

The share of a group among the training images is the bias, at equal size ("Fairness Auditing of Limited-Access Models").
Axes: M member, N training image, T test image, I image at hand, B example, K output, G group, H W C.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, final

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from biasray.bias.cells import group_ratio
from biasray.data.ages import years
from biasray.data.dataset import DataSet
from biasray.random import rng
from biasray.zoo.member import Feed, Figures, Half, Lesson, Predict, halve, permuted

Target = Literal["age", "gender"]
Shares = tuple[tuple[str, float], ...]
MIDDLE, SPREAD = 35.0, 20.0  # years: ages are learnt as (age - middle) / spread
OUTPUTS: dict[Target, int] = {"age": 1, "gender": 2}
OTHER = "other"
TESTED = 250  # test images at a time
GROUPED = ("gender", "race")  # attributes by whose values errors are told


@final
@dataclass(frozen=True, kw_only=True)
class Mixture(Lesson):
    attribute: str
    shares: Shares
    """Of the attribute's values among the training images; 'other' stands for those that are not named."""
    subset: int
    """Members with the same number and shares are trained on the same images."""
    shuffled: float
    """Share of the images whose labels are permuted among themselves."""
    targets: tuple[Target, ...]
    side: int
    """Pixels a side, to which images are averaged down."""
    half: Half | None = None
    """Of the training split; None is all of it."""

    @property
    def outputs(self) -> int:
        return sum(OUTPUTS[target] for target in self.targets)

    def describe(self) -> dict[str, Any]:
        shares = {f"share {value}": share for value, share in self.shares}
        bias = ", ".join(f"{value} {share:g}" for value, share in self.shares)
        own = {"subset": self.subset, "shuffled": self.shuffled, "targets": " and ".join(self.targets), "side": self.side}
        halves = {"half": self.half} if self.half else {}
        return {"attribute": self.attribute, "level": self.shares[0][1], "bias": bias, **shares, **own, **halves}

    @classmethod
    def feed(
        cls, lessons: Sequence[Self], seeds: Sequence[int], dataset: DataSet, device: torch.device, dtype: torch.dtype
    ) -> Feed:
        return _Feed(lessons, seeds, dataset, device, dtype)


def groups(column: pd.Series, values: Sequence[str]) -> NDArray[np.int64]:
    """(N,) place of each value among these; of the last where that is 'other' and the value is not among them."""
    rest = len(values) - 1 if OTHER in values else -1
    return column.astype(str).map({v: k for k, v in enumerate(values)}).fillna(rest).to_numpy(np.int64)


def candidates(dataset: DataSet, attribute: str, shares: Shares, half: Half | None = None) -> pd.DataFrame:
    """The training images, or a half of them, in the order of the table; `row` in it, and `bias`, the place of their group."""
    train = dataset.examples.assign(row=np.arange(len(dataset.examples)))
    train = train[train["split"] == "train"]
    if half:
        train = halve(train, half).sort_values("row")
    return train.reset_index(drop=True).assign(bias=groups(train[attribute], [value for value, _ in shares]))


def most(dataset: DataSet, attribute: str, shares: Shares, half: Half | None = None) -> int:
    """Training images that can be had with these shares."""
    bias = candidates(dataset, attribute, shares, half)["bias"]
    return min(int((bias == k).sum() / share + 1e-9) for k, (_, share) in enumerate(shares) if share > 0)


def chosen(lesson: Mixture, seed: int, dataset: DataSet) -> NDArray[np.int64]:
    """(N,) rows of the training split with the lesson's shares, in the order of the table."""
    train = candidates(dataset, lesson.attribute, lesson.shares, lesson.half)
    shares = {k: share for k, (_, share) in enumerate(lesson.shares)}
    drawn = rng(seed, "subset", lesson.subset, lesson.shares)
    return group_ratio(train, shares, lesson.images, drawn)["row"].to_numpy()


def seen(image_BHWC: Tensor, side: int, dtype: torch.dtype) -> Tensor:
    """(B, side, side, C) in [0, 1]: images as members see them, averaged down."""
    scaled_BHWC = image_BHWC.to(dtype) / 255
    if scaled_BHWC.shape[1] == side:
        return scaled_BHWC
    return F.adaptive_avg_pool2d(scaled_BHWC.permute(0, 3, 1, 2), side).permute(0, 2, 3, 1)


def told(output_MBK: Tensor, targets: Sequence[str]) -> tuple[Tensor | None, Tensor | None]:
    """Age in years (M, B) and the logits of gender (M, B, 2), of what members put out, where they are targets."""
    age = output_MBK[..., 0] * SPREAD + MIDDLE if "age" in targets else None
    return age, output_MBK[..., -2:] if "gender" in targets else None


@final
class _Feed(Feed):
    def __init__(
        self, lessons: Sequence[Mixture], seeds: Sequence[int], dataset: DataSet, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.targets, self.side, self.dtype, self.device = lessons[0].targets, lessons[0].side, dtype, device
        self.attribute = lessons[0].attribute
        rows = [chosen(lesson, seed, dataset) for lesson, seed in zip(lessons, seeds, strict=True)]
        needed_I, place = np.unique(np.concatenate(rows), return_inverse=True)
        self.image_IHWC = torch.from_numpy(dataset.take(needed_I)).to(device)
        self.place_MN = torch.from_numpy(place.reshape(len(lessons), -1)).to(device)
        labels = [
            row_N[permuted(lesson.images, lesson.shuffled, rng(seed, "shuffled", lesson.subset))]
            for row_N, lesson, seed in zip(rows, lessons, seeds, strict=True)
        ]
        age = years(dataset.examples["age"])
        gender = groups(dataset.examples["gender"], sorted(dataset.examples["gender"].unique()))
        self.age_MN = torch.tensor(np.stack([age[row_N] for row_N in labels])).to(device, dtype)
        self.gender_MN = torch.tensor(np.stack([gender[row_N] for row_N in labels])).to(device)
        self.member_M1 = torch.arange(len(lessons), device=device)[:, None]
        # No member is trained on validation images either, so they are tested on too.
        test_T = np.flatnonzero(dataset.examples["split"] != "train")
        self.test_THWC = torch.from_numpy(dataset.take(test_T)).to(device)
        self.test, self.test_age_T, self.test_gender_T = dataset.examples.iloc[test_T], age[test_T], gender[test_T]

    def batch(self, rows_MB: Tensor) -> Tensor:
        image_MBHWC = self.image_IHWC[self.place_MN[self.member_M1, rows_MB]]
        return seen(image_MBHWC.flatten(0, 1), self.side, self.dtype).unflatten(0, rows_MB.shape)

    def loss(self, output_MBK: Tensor, rows_MB: Tensor) -> Tensor:
        age_MB, logits_MBK = told(output_MBK, self.targets)
        loss_M = torch.zeros(len(output_MBK), dtype=output_MBK.dtype, device=self.device)
        if age_MB is not None:
            error_MB = (age_MB - self.age_MN[self.member_M1, rows_MB]) / SPREAD
            loss_M = loss_M + F.smooth_l1_loss(error_MB, torch.zeros_like(error_MB), reduction="none").mean(1)
        if logits_MBK is not None:
            target_MB = self.gender_MN[self.member_M1, rows_MB]
            ce = F.cross_entropy(logits_MBK.flatten(0, 1), target_MB.flatten(), reduction="none")
            loss_M = loss_M + ce.view(target_MB.shape).mean(1)
        return loss_M

    def figures(self, predict: Predict) -> list[Figures]:
        """Mean absolute error of the age in years and error rate of the gender: of all, and of each group.

        As a control, 'guess_' the same of a constant: the mean age and the commoner gender of a member's training labels.
        """
        members = len(self.place_MN)
        parts = [
            told(predict(seen(part, self.side, self.dtype).expand(members, -1, -1, -1, -1)), self.targets)
            for part in self.test_THWC.split(TESTED)
        ]
        errors: dict[str, NDArray[np.float64]] = {}
        if "age" in self.targets:
            age_MT = torch.cat([age for age, _ in parts if age is not None], 1).cpu().double().numpy()
            mean_M1 = self.age_MN.double().mean(1, keepdim=True).cpu().numpy()
            errors["age_mae"] = np.abs(age_MT - self.test_age_T)
            errors["guess_age_mae"] = np.abs(mean_M1 - self.test_age_T)
        if "gender" in self.targets:
            guess_MT = torch.cat([logits.argmax(2) for _, logits in parts if logits is not None], 1).cpu().numpy()
            commoner_M1 = (self.gender_MN.double().mean(1, keepdim=True) > 0.5).cpu().numpy()
            errors["gender_error"] = (guess_MT != self.test_gender_T).astype(np.float64)
            errors["guess_gender_error"] = (commoner_M1 != self.test_gender_T).astype(np.float64)
        found: list[Figures] = [{} for _ in range(members)]
        masks = {"": np.ones(len(self.test), bool)}
        for attribute in dict.fromkeys((*GROUPED, self.attribute)):
            if attribute in self.test:
                masks |= {f" {v}": (self.test[attribute] == v).to_numpy() for v in sorted(self.test[attribute].unique())}
        for name, error_MT in errors.items():
            for group, mask_T in masks.items():
                for member, mean in zip(found, error_MT[:, mask_T].mean(1), strict=True):
                    member[f"{name}{group}"] = float(mean)
        return found
