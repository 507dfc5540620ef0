import numpy as np
import pytest
import torch

from biasray.attribution.regions import Grid, above, normalised, pixel_maps


def test_patches_cover_every_pixel_and_the_last_ends_at_the_last_one() -> None:
    for side, patch, across in ((128, 32, 45), (64, 16, 45), (33, 7, 4), (16, 16, 1)):
        grid = Grid(side=side, patch=patch, across=across)
        assert grid.starts[0] == 0
        assert grid.starts[-1] == side - patch
        assert len(set(grid.starts)) == across
        if patch * across >= side:
            assert (grid.cover.sum(0) > 0).all()


def test_a_cut_is_the_slice_at_its_place() -> None:
    grid = Grid(side=12, patch=5, across=3)  # starts at 0, 4 (of 3.5), 7
    image_BCHW = torch.rand(grid.places, 3, 12, 12)
    patch_BCkk = grid.cut(image_BCHW, torch.arange(grid.places))
    for place, (row, column) in enumerate((y, x) for y in (0, 4, 7) for x in (0, 4, 7)):
        assert torch.equal(patch_BCkk[place], image_BCHW[place, :, row : row + 5, column : column + 5])


def test_pixel_maps_are_those_of_the_printed_algorithm() -> None:
    grid = Grid(side=21, patch=6, across=8)
    region_NAA = np.random.default_rng(0).random((3, 8, 8))
    expected = np.empty((3, 21, 21))
    for n, region_AA in enumerate(region_NAA):
        total, count = np.zeros((21, 21)), np.zeros((21, 21))
        for i in range(64):
            y, x = grid.starts[i // 8], grid.starts[i % 8]
            total[y : y + 6, x : x + 6] += region_AA[i // 8, i % 8]
            count[y : y + 6, x : x + 6] += 1
        expected[n] = total / count
    np.testing.assert_allclose(pixel_maps(region_NAA, grid), expected, rtol=1e-12)


def test_a_map_is_stretched_and_cut_by_itself() -> None:
    map_NHW = np.stack([np.arange(16.0).reshape(4, 4), 100 + 3 * np.arange(16.0).reshape(4, 4), np.full((4, 4), 7.0)])
    stretched = normalised(map_NHW)
    np.testing.assert_allclose(stretched[0], stretched[1])
    assert (stretched[0].min(), stretched[0].max()) == (0, 1)
    assert not stretched[2].any()
    assert above(map_NHW, 0.75).sum((1, 2)).tolist() == [4, 4, 0]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"side": 8, "patch": 9, "across": 2}, "does not fit"),
        ({"side": 8, "patch": 4, "across": 6}, "have 2 to 5"),
        ({"side": 8, "patch": 4, "across": 1}, "cannot be had"),
    ],
)
def test_grids_that_cannot_be_are_refused(given: dict[str, int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Grid(**given)


def test_a_quantile_outside_of_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        above(np.zeros((1, 2, 2)), 1.0)
