from dataclasses import replace

import numpy as np

from biasray.attribution.hide import GREY, Hiding, hidden
from tests.attribution.corners import SIDE, corners

DATA = corners(40)
TRAIN = np.flatnonzero(DATA.examples["split"] == "train")
OTHERS = np.flatnonzero(DATA.examples["split"] != "train")
MAPS = np.random.default_rng(1).random((40, SIDE, SIDE))


def test_a_mask_greys_what_is_above_the_quantile_of_training_images_alone() -> None:
    made = hidden(DATA, MAPS, Hiding("specific", "mask", 0.75))
    before, after = DATA.take(TRAIN), made.take(TRAIN)
    for k, row in enumerate(TRAIN):
        above_HW = MAPS[row] > np.quantile(MAPS[row], 0.75)
        assert (after[k][above_HW] == GREY).all()
        assert (after[k][~above_HW] == before[k][~above_HW]).all()
    assert (made.take(OTHERS) == DATA.take(OTHERS)).all()


def test_a_general_mask_is_that_of_the_mean_map_of_training_images() -> None:
    made = hidden(DATA, MAPS, Hiding("general", "mask", 0.9))
    mean_HW = MAPS[TRAIN].mean(0)
    grey_NHW = (made.take(TRAIN) == GREY).all(3)
    assert (grey_NHW.all(0) == (mean_HW > np.quantile(mean_HW, 0.9))).all()


def test_noise_is_added_where_the_mask_is_the_same_each_time() -> None:
    made = hidden(DATA, MAPS, Hiding("general", "noise", 0.5))
    mask_HW = (hidden(DATA, MAPS, Hiding("general", "mask", 0.5)).take(TRAIN) == GREY).all((0, 3))
    change_NHWC = made.take(TRAIN).astype(float) - DATA.take(TRAIN)
    assert not change_NHWC[:, ~mask_HW].any()
    assert change_NHWC[:, mask_HW].std() > 60  # 127, less what 8 bits cut off
    assert (made.take(TRAIN[::-1])[::-1] == made.take(TRAIN)).all()
    one, other = change_NHWC[:2, mask_HW].reshape(2, -1)
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.2  # each image has noise of its own


def test_what_is_learnt_from_is_in_the_checksum() -> None:
    kinds = [Hiding("general", "mask", 0.5), Hiding("specific", "mask", 0.5), Hiding("general", "noise", 0.5)]
    sums = {hidden(DATA, MAPS, how).checksum for how in kinds}
    sums |= {hidden(DATA, MAPS[::-1], kinds[0]).checksum, hidden(replace(DATA, checksum="other"), MAPS, kinds[0]).checksum}
    assert len(sums) == 5
