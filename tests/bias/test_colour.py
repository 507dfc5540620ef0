import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from biasray.bias.cells import cells
from biasray.bias.colour import JITTER, NAMES, PALETTES, RGB, Palette, coloured
from biasray.random import rng

DIGITS = pd.DataFrame({"target": np.random.default_rng(0).permutation(np.repeat(np.arange(10), 1000))})


@pytest.mark.parametrize("rho", [0, 0.8, 0.95, 0.98, 0.99, 0.995, 1])
def test_every_digit_has_the_agreement_exactly_and_conflicts_spread_over_nine_others(rho: float) -> None:
    got = cells(coloured(DIGITS, 10, rho, rng(0)), 10, 10)
    np.testing.assert_array_equal(np.diag(got), round(1000 * rho))
    others = got[~np.eye(10, dtype=bool)].reshape(10, 9)
    assert (others.max(1) - others.min(1) <= 1).all()
    assert (got.sum(1) == 1000).all()


def test_test_colours_are_spread_evenly_over_all_ten() -> None:
    np.testing.assert_array_equal(cells(coloured(DIGITS, 10, None, rng(0)), 10, 10), 100)


@pytest.mark.parametrize("n", [1, 5, 9, 15, 25, 95])
def test_test_colours_differ_by_at_most_one_when_ten_does_not_divide(n: int) -> None:
    got = cells(coloured(pd.DataFrame({"target": [3] * n}), 10, None, rng(0)), 10, 10)[3]
    assert got.max() - got.min() <= 1


def test_which_images_conflict_does_not_follow_their_order() -> None:
    got = coloured(DIGITS, 10, 0.5, rng(0))
    for digit in (0, 9):
        own = got[got["target"] == digit].reset_index(drop=True)
        assert np.flatnonzero(own["bias"] != digit).mean() == pytest.approx(500, abs=50)


def test_colours_are_reproducible_by_key_and_differ_between_keys() -> None:
    first, again, other = (coloured(DIGITS, 10, 0.95, rng("seed", k)) for k in (0, 0, 1))
    assert first.equals(again)
    assert (first["bias"] != other["bias"]).any()
    assert not np.allclose(first[RGB], other[RGB])


@pytest.mark.parametrize(("palette", "std"), [("nam", 0.005), ("kim", 0.020**0.5)])
def test_a_palettes_own_jitter_is_the_published_one(palette: Palette, std: float) -> None:
    assert JITTER[palette] == pytest.approx(std)
    inside = (PALETTES[palette] > 0.45) & (PALETTES[palette] < 0.55)  # channels that are (hardly) ever clipped
    got = coloured(DIGITS, 10, None, rng(0), palette)
    off = (got[RGB].to_numpy() - PALETTES[palette][got["bias"]])[inside[got["bias"]]]
    assert len(off) >= 1000
    assert off.std() == pytest.approx(std, rel=0.06)


@pytest.mark.parametrize("std", [0.002, 0.02, 0.05])
def test_jitter_has_the_standard_deviation_asked_for_and_independent_channels(std: float) -> None:
    got = coloured(DIGITS, 10, 1, rng(0), "nam", std)
    four = got[got["target"] == 3][RGB].to_numpy() - PALETTES["nam"][3]  # (0.783, 0.832, 0.601): never clipped
    np.testing.assert_allclose(four.std(0), std, rtol=0.08)
    np.testing.assert_allclose(four.mean(0), 0, atol=4 * std / np.sqrt(1000))
    assert np.abs(np.corrcoef(four.T)[np.triu_indices(3, 1)]).max() < 0.13


def test_colours_without_jitter_are_the_palette() -> None:
    got = coloured(DIGITS, 10, 0.9, rng(0), "kim", 0)
    np.testing.assert_array_equal(got[RGB].to_numpy(), PALETTES["kim"][got["bias"]])


def test_colours_are_clipped_to_the_unit_interval() -> None:
    got = coloured(DIGITS, 10, None, rng(0), "kim", 0.5)[RGB].to_numpy()
    assert (got.min(), got.max()) == (0, 1)


def test_palettes_are_the_published_values_and_not_mixed(shared: Path) -> None:
    text = (shared / "design" / "data.md").read_text()
    line = next(part for part in text.splitlines() if "two palettes" in part)
    kim, nam = line.split("Nam et al. 2020", 1)
    found = {k: re.findall(r"\b(\d) \(([\d., ]+)\)", part) for k, part in (("kim", kim), ("nam", nam))}
    for palette, scale in (("kim", 255), ("nam", 1)):
        assert [int(i) for i, _ in found[palette]] == list(range(10))
        published = np.array([[float(c) for c in triple.split(",")] for _, triple in found[palette]]) / scale
        np.testing.assert_allclose(PALETTES[palette], published, atol=1e-12)
    assert not np.isclose(PALETTES["nam"], PALETTES["kim"], atol=0.01).all(1).any()
    assert len(NAMES) == 10


def test_fewer_targets_than_colours_use_all_colours_for_conflicts() -> None:
    two = pd.DataFrame({"target": [0] * 90 + [1] * 90})
    got = cells(coloured(two, 2, 0.8, rng(0)), 2, 10)
    np.testing.assert_array_equal(got[0], [72, *[2] * 9])
    np.testing.assert_array_equal(got[1], [2, 72, *[2] * 8])


def test_more_targets_than_colours_are_refused() -> None:
    with pytest.raises(ValueError, match="10 colours for 11 target values; choose another target"):
        coloured(DIGITS, 11, 0.9, rng(0))


def test_an_agreement_that_is_no_share_is_refused_for_colours() -> None:
    with pytest.raises(ValueError, match="share from 0 to 1, not 95"):
        coloured(DIGITS, 10, 95, rng(0))
