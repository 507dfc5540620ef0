"""Digits that no member has seen, in the colours of Kim et al. 2019. Axes: M member, T test image, K digit, J colour, H W C."""

from collections.abc import Iterator
from typing import NamedTuple, final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from biasray.bias.colour import PALETTES
from biasray.data.dataset import DataSet
from biasray.random import key, normal, rng
from biasray.zoo.member import Figures, Predict

PALETTE_J3 = torch.from_numpy(PALETTES["kim"])
AT_ONCE = 500  # images
SCORED = 1000  # images of the colour score


class Kept(NamedTuple):
    """How much of its probability each digit keeps in the nine other colours."""

    ratio_MT: Tensor
    counted_MT: Tensor  # whether it was classified rightly in its own colour

    def score(self) -> Tensor:
        """(M,) algorithm 1 of Sialelli et al.: the mean of the ratios that count; NaN where none does."""
        return torch.where(self.counted_MT, self.ratio_MT, 0).sum(1) / self.counted_MT.sum(1)


@final
class Exam:
    """Each digit in one of the ten colours, whichever it is, or in all of them, as M members are to see them.

    `std_M` is that of the colours' jitter on [0, 1], `white_M` what the brightest pixel is of 255. Exams of one `purpose`
    draw the same colours.
    """

    def __init__(
        self,
        dataset: DataSet,
        row_T: NDArray[np.int64],
        std_M: Tensor,
        white_M: Tensor,
        device: torch.device,
        dtype: torch.dtype,
        purpose: str = "test",
    ) -> None:
        self.grey_THW1 = torch.from_numpy(dataset.take(row_T)).to(device)
        self.digit_T = torch.tensor(dataset.examples["digit"].iloc[row_T].astype(int).to_numpy())
        self.shown_T = torch.from_numpy(rng("zoo", purpose).integers(0, len(PALETTE_J3), len(row_T)))
        jitter_T3 = normal(torch.tensor(row_T) + key("zoo", purpose), 3)
        colour_MT3 = (PALETTE_J3[self.shown_T] + jitter_T3 * std_M[:, None, None]).clamp(0, 1)
        self.scale_MT3 = (colour_MT3 * white_M[:, None, None]).to(device, dtype)
        self.plain_MJ3 = (PALETTE_J3[None] * white_M[:, None, None]).to(self.scale_MT3)

    def images(self, at_B: Tensor) -> Tensor:
        """(M, B, H, W, C) of the images at these places, each in its one colour."""
        return self.grey_THW1[at_B] * self.scale_MT3[:, at_B][:, :, None, None]

    def right(self, predict: Predict) -> Tensor:
        """(M, T) whether each is classified rightly in its one colour."""
        places = torch.arange(len(self.digit_T)).split(AT_ONCE)
        return torch.cat([predict(self.images(at_B)).argmax(2).cpu() for at_B in places], 1) == self.digit_T

    def figures(self, predict: Predict) -> list[Figures]:
        """Of each member: accuracies in all, by digit and by colour, and the colour score."""
        right_MT = self.right(predict).double()
        by_digit = _by(right_MT, self.digit_T)
        by_colour = _by(right_MT, self.shown_T)
        conflicting_M = right_MT[:, self.shown_T != self.digit_T].mean(1)
        score_M = self.kept(predict).score()
        return [
            {
                "accuracy": float(right_T.mean()),
                "conflicting_accuracy": float(conflicting),
                "digit_accuracy": digit_K.tolist(),
                "colour_accuracy": colour_J.tolist(),
                "colour_score": float(score),
            }
            for right_T, conflicting, digit_K, colour_J, score in zip(
                right_MT, conflicting_M, by_digit, by_colour, score_M, strict=True
            )
        ]

    def kept(self, predict: Predict) -> Kept:
        """Of the first 1,000 images, in the colour that goes with their digit and in the nine others."""
        parts = list(self._kept(predict))
        return Kept(*(torch.cat(column, 1) for column in zip(*parts, strict=True)))

    def _kept(self, predict: Predict) -> Iterator[Kept]:
        few, colours = AT_ONCE // len(PALETTE_J3), len(PALETTE_J3)
        for grey_BHW1, digit_B in zip(self.grey_THW1[:SCORED].split(few), self.digit_T[:SCORED].split(few), strict=True):
            image_MBJHWC = grey_BHW1[:, None] * self.plain_MJ3[:, None, :, None, None]
            p_MBJK = predict(image_MBJHWC.flatten(1, 2)).double().softmax(2).cpu().unflatten(1, (-1, colours))
            b = torch.arange(len(digit_B))
            own_MBK, p_MBJ = p_MBJK[:, b, digit_B], p_MBJK[:, b, :, digit_B].transpose(0, 1)
            ratio_MB = (p_MBJ.sum(2) / own_MBK[:, b, digit_B] - 1) / (colours - 1)  # without its own, whose is 1
            yield Kept(ratio_MB, own_MBK.argmax(2) == digit_B)


def _by(right_MT: Tensor, group_T: Tensor) -> Tensor:
    """(M, groups) mean of each group of test images; NaN where there is none."""
    member_TG = F.one_hot(group_T, len(PALETTE_J3)).double()
    return right_MT @ member_TG / member_TG.sum(0)
