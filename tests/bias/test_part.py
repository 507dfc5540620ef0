import re

import numpy as np
import pytest
from numpy.typing import NDArray

from biasray.bias.part import part
from biasray.random import rng
from tests.bias.test_task import faces

FACES = faces(3000).examples
TRAIN_N = (FACES["split"] == "train").to_numpy()


def pool(text: str) -> NDArray[np.int64]:
    return part(FACES, text, rng(text))


def test_parts_hold_training_images_with_these_attributes() -> None:
    assert pool("all").tolist() == np.flatnonzero(TRAIN_N).tolist()
    asian_women_N = TRAIN_N & (FACES["race"] == "Asian").to_numpy() & (FACES["gender"] == "Female").to_numpy()
    assert pool("race=Asian,gender=Female").tolist() == np.flatnonzero(asian_women_N).tolist()


@pytest.mark.parametrize("share", [0.2, 0.8])
def test_a_share_is_kept_with_as_many_images_as_can_be_had(share: float) -> None:
    row_R = pool(f"race=Asian,gender=Female:{share}")
    women_R = (FACES["gender"].iloc[row_R] == "Female").to_numpy()
    assert women_R.mean() == pytest.approx(share, abs=0.01)
    there = FACES[TRAIN_N & (FACES["race"] == "Asian").to_numpy()]["gender"].value_counts()
    assert len(row_R) == int(min(there["Female"] / share, there["Male"] / (1 - share)))
    assert row_R.tolist() == sorted(set(row_R))
    assert row_R.tolist() == pool(f"race=Asian,gender=Female:{share}").tolist()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("women", "'women' is not all, ATTRIBUTE=VALUE"),
        ("gender=Female:2", "is not all, ATTRIBUTE=VALUE or ATTRIBUTE=VALUE:SHARE"),
        ("mood=glad", "there is no attribute 'mood'"),
        ("race=Asian,race=Asian:0.5", "there are no others than race Asian among the train images"),
        ("race=Martian", "no train image has race Martian; there are: Asian, Black, White"),
    ],
)
def test_parts_that_make_no_sense_are_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        pool(text)
