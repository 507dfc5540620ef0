import numpy as np
import pytest
import torch

from biasray.resident import Resident

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (20, 5, 6, 1), dtype=np.uint8)
RGB = RNG.integers(0, 256, (20, 5, 6, 3), dtype=np.uint8)
TARGET, BIAS = RNG.integers(0, 3, 20), RNG.integers(0, 7, 20)
INDEX, KEY = torch.tensor([3, 3, 0, 19]), torch.tensor([5, 6, 7, 8])


@pytest.mark.parametrize("pixels", [GREY, RGB])
def test_fetched_images_are_the_stored_ones_as_shares_of_one(pixels: np.ndarray) -> None:
    batch = Resident(pixels, TARGET).fetch(INDEX, KEY)
    assert batch.image.shape == (4, pixels.shape[3], 5, 6)
    assert batch.image.dtype == torch.float32
    np.testing.assert_allclose(batch.image.numpy(), pixels[INDEX].transpose(0, 3, 1, 2) / 255, rtol=1e-6)
    np.testing.assert_array_equal(batch.target, TARGET[INDEX])
    np.testing.assert_array_equal(batch.index, INDEX)
    np.testing.assert_array_equal(batch.key, KEY)


def test_black_is_zero_and_white_is_one() -> None:
    pixels = np.array([0, 255], np.uint8).reshape(2, 1, 1, 1)
    assert Resident(pixels, np.array([0, 1])).fetch(torch.tensor([0, 1]), KEY[:2]).image.flatten().tolist() == [0, 1]


def test_images_are_channels_last_in_memory() -> None:
    for table in (Resident(RGB, TARGET), Resident(GREY, TARGET, colour_N3=RNG.random((20, 3)))):
        assert table.fetch(INDEX, KEY).image.is_contiguous(memory_format=torch.channels_last)


def test_grey_images_take_the_colour_of_their_own_row() -> None:
    colour = RNG.random((20, 3))
    batch = Resident(GREY, TARGET, colour_N3=colour).fetch(INDEX, KEY)
    expected = GREY[INDEX].transpose(0, 3, 1, 2) / 255 * colour[INDEX][:, :, None, None]
    np.testing.assert_allclose(batch.image.numpy(), expected, rtol=1e-6)


def test_images_that_have_colours_cannot_be_coloured() -> None:
    with pytest.raises(AssertionError):
        Resident(RGB, TARGET, colour_N3=RNG.random((20, 3)))


def test_groups_are_pairs_of_target_and_bias_and_never_collide() -> None:
    batch = Resident(GREY, TARGET, BIAS, 7).fetch(torch.arange(20), torch.arange(20))
    assert batch.group is not None
    np.testing.assert_array_equal(batch.bias, BIAS)
    np.testing.assert_array_equal(batch.group // 7, TARGET)
    np.testing.assert_array_equal(batch.group % 7, BIAS)


@pytest.mark.parametrize("biases", [0, 6])
def test_bias_values_out_of_range_are_refused_since_their_groups_would_collide(biases: int) -> None:
    assert BIAS.max() == 6
    with pytest.raises(AssertionError):
        Resident(GREY, TARGET, BIAS, biases)


def test_without_bias_labels_there_is_neither_bias_nor_group() -> None:
    batch = Resident(GREY, TARGET, None, 7).fetch(INDEX, KEY)
    assert batch.bias is None
    assert batch.group is None


def test_precision_is_the_one_asked_for() -> None:
    for colour in (None, RNG.random((20, 3))):
        batch = Resident(GREY, TARGET, colour_N3=colour, dtype=torch.float64).fetch(INDEX, KEY)
        assert batch.image.dtype == torch.float64


def test_fetching_changes_nothing_that_is_stored() -> None:
    pixels = GREY.copy()
    table = Resident(pixels, TARGET)
    first = table.fetch(INDEX, KEY).image.clone()
    table.fetch(INDEX, KEY).image.mul_(0)
    assert torch.equal(table.fetch(INDEX, KEY).image, first)
    np.testing.assert_array_equal(pixels, GREY)
    assert len(table) == 20
