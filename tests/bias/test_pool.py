import re

import numpy as np
import pytest

from biasray.bias.pool import pool
from tests.bias.test_task import faces

FACES = faces(3000).examples
TRAIN_N = (FACES["split"] == "train").to_numpy()


def test_pools_hold_training_images_with_these_attributes() -> None:
    assert pool(FACES, "all").tolist() == np.flatnonzero(TRAIN_N).tolist()
    asian_women_N = TRAIN_N & (FACES["race"] == "Asian").to_numpy() & (FACES["gender"] == "Female").to_numpy()
    assert pool(FACES, "race=Asian,gender=Female").tolist() == np.flatnonzero(asian_women_N).tolist()


@pytest.mark.parametrize("share", [0.2, 0.8])
def test_a_share_is_kept_with_as_many_images_as_can_be_had(share: float) -> None:
    row_R = pool(FACES, f"race=Asian,gender=Female:{share}")
    women_R = (FACES["gender"].iloc[row_R] == "Female").to_numpy()
    assert women_R.mean() == pytest.approx(share, abs=0.01)
    there = FACES[TRAIN_N & (FACES["race"] == "Asian").to_numpy()]["gender"].value_counts()
    assert len(row_R) == int(min(there["Female"] / share, there["Male"] / (1 - share)))
    assert row_R.tolist() == sorted(set(row_R))
    assert row_R.tolist() == pool(FACES, f"race=Asian,gender=Female:{share}").tolist()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("women", "Pool 'women' is not all, ATTRIBUTE=VALUE"),
        ("gender=Female:2", "is not all, ATTRIBUTE=VALUE or ATTRIBUTE=VALUE:SHARE"),
        ("mood=glad", "there is no attribute 'mood'"),
        ("race=Martian", "has no training image with race Martian; there are: Asian, Black, White"),
    ],
)
def test_pools_that_make_no_sense_are_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        pool(FACES, text)
