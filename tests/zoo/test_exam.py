"""The colour score against the paper's algorithm 1, a picture at a time."""

import numpy as np
import pytest
import torch
from torch import Tensor

from biasray.bias.colour import PALETTES
from biasray.zoo.exam import Exam
from tests.zoo.members import DIGITS

ROWS = np.flatnonzero(DIGITS.examples["split"] == "test")
WHITE_M = torch.tensor([1.0, 255.0])


def exam() -> Exam:
    return Exam(DIGITS, ROWS, torch.tensor([0.2, 0.1]), WHITE_M, torch.device("cpu"), torch.float64)


def predict(image_MBHWC: Tensor) -> Tensor:
    """Two made-up models that look at colours and a few pixels, wrong now and then."""
    drawn = torch.Generator().manual_seed(0)
    plane_MF = (image_MBHWC / WHITE_M.double()[:, None, None, None, None]).flatten(2)
    return plane_MF @ torch.randn(2, plane_MF.shape[2], 10, generator=drawn, dtype=torch.float64) / 4


def test_the_colour_score_is_algorithm_1() -> None:
    digit_N, grey_NHW1 = DIGITS.examples["digit"].astype(int).to_numpy(), torch.from_numpy(DIGITS.take(ROWS))
    expected = []
    for m, white in enumerate(WHITE_M.double()):
        probabilities = []
        for grey_HW1, row in zip(grey_NHW1, ROWS, strict=True):
            digit = digit_N[row]

            def p(colour: int, m: int = m, white: Tensor = white, grey_HW1: Tensor = grey_HW1) -> Tensor:
                image_HWC = grey_HW1 * torch.from_numpy(PALETTES["kim"][colour]) * white
                return predict(image_HWC.expand(2, 1, -1, -1, -1))[m, 0].softmax(0)

            if p(digit).argmax() == digit:
                probabilities += [float(p(c)[digit] / p(digit)[digit]) for c in range(10) if c != digit]
        assert 0 < len(probabilities) < 9 * len(ROWS)
        expected.append(np.mean(probabilities))
    assert exam().kept(predict).score().tolist() == pytest.approx(expected)


def test_digits_are_shown_in_any_of_the_ten_colours() -> None:
    found = exam()
    share = float((found.shown_T == found.digit_T).double().mean())
    assert share < 0.5
    assert len(set(found.shown_T.tolist())) > 5
    assert found.right(predict).tolist() == [
        [int(predict(found.images(torch.tensor([t])))[m, 0].argmax()) == found.digit_T[t] for t in range(len(ROWS))]
        for m in range(2)
    ]
