import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

from biasray.data import built_in, load
from biasray.data.dataset import SPLITS

DIGITS = load("digits")


def test_digits_need_no_download_and_are_found_by_name() -> None:
    assert "digits" in built_in()
    assert (DIGITS.name, DIGITS.shape, DIGITS.target, DIGITS.bias) == ("digits", (1, 28, 28), "digit", "colour")
    assert DIGITS.attributes == ["digit"]


def test_digits_are_those_of_scikit_learn_in_their_order() -> None:
    assert len(DIGITS.examples) == 1797
    assert DIGITS.examples["id"].is_monotonic_increasing
    np.testing.assert_array_equal(DIGITS.examples["digit"].astype(int), load_digits().target)


def test_images_use_the_full_range_and_look_like_their_small_ones() -> None:
    images = DIGITS.images(np.arange(1797))
    assert images.shape == (1797, 28, 28, 1)
    assert images.dtype == np.uint8
    assert (images.min(), images.max()) == (0, 255)
    centres = images[:, 1::7, 1::7, 0][:, :4, :4].astype(float).reshape(1797, -1)
    small = load_digits().images[:, ::2, ::2].reshape(1797, -1)
    assert np.corrcoef(centres.ravel(), small.ravel())[0, 1] > 0.85


def test_images_come_in_the_order_of_the_rows_asked() -> None:
    rows = np.array([5, 1, 5])
    np.testing.assert_array_equal(DIGITS.images(rows)[[0, 2, 1]], DIGITS.images(np.array([5, 5, 1])))


def test_splits_have_every_digit_and_about_their_shares() -> None:
    share = DIGITS.examples["split"].value_counts(normalize=True)
    assert [share[s] for s in SPLITS] == pytest.approx([0.5, 0.1, 0.4], abs=0.03)
    assert (pd.crosstab(DIGITS.examples["split"], DIGITS.examples["digit"]) > 0).all().all()


def test_equal_images_never_sit_in_two_splits() -> None:
    assert DIGITS.examples[["hash", "split"]].drop_duplicates()["hash"].is_unique


def test_splits_do_not_follow_the_order_of_the_file() -> None:
    place = pd.Series(np.arange(1797)).groupby(DIGITS.examples["split"]).mean()
    assert np.abs(place - 898).max() < 100


def test_loading_twice_gives_the_same_checksum() -> None:
    assert load("digits").checksum == DIGITS.checksum
