"""Weak and strong views of images."""

import pytest
import torch
from torch import Tensor

from biasray.adaptation import views
from biasray.adaptation.views import strong, weak

IMAGE_BCHW = torch.rand(64, 3, 24, 24, generator=torch.Generator().manual_seed(0)).contiguous(memory_format=torch.channels_last)
KEY_B = torch.arange(64) + 7
SMOOTH_BCHW = torch.nn.functional.interpolate(IMAGE_BCHW[:, :, :4, :4], size=(24, 24), mode="bilinear")


@pytest.mark.parametrize("view", [weak, strong])
def test_a_view_depends_on_its_image_and_key_alone(view: object) -> None:
    assert callable(view)
    whole: Tensor = view(IMAGE_BCHW, KEY_B)
    some = torch.tensor([5, 40, 3])
    torch.testing.assert_close(view(IMAGE_BCHW[some], KEY_B[some]), whole[some], rtol=0, atol=1e-6)
    assert not torch.allclose(view(IMAGE_BCHW, KEY_B + 1000), whole)
    assert whole.shape == IMAGE_BCHW.shape
    assert whole.is_contiguous(memory_format=torch.channels_last)
    assert 0 <= whole.min() <= whole.max() <= 1


def test_a_weak_view_is_flipped_in_half_of_the_cases_and_shifted_a_little() -> None:
    column = torch.arange(24.0).expand(1000, 1, 24, 24) / 24
    seen = weak(column, torch.arange(1000))
    rises_B = seen[:, 0, 12, 15] > seen[:, 0, 12, 8]
    assert 440 < rises_B.sum() < 560
    moved_B = (seen[rises_B][:, 0, 12, 12] - 12 / 24).abs()
    assert moved_B.max() <= views.SHIFT + 1e-5
    assert moved_B.max() > 0.9 * views.SHIFT


@pytest.mark.parametrize("number", range(14))
def test_each_change_changes_an_image_and_differs_from_the_others(number: int) -> None:
    assert len(views._OPS) == 14
    strength_S = torch.full((8,), 0.2)
    out = [change(SMOOTH_BCHW[:8], strength_S) for change in views._OPS]
    changed = (out[number] - SMOOTH_BCHW[:8]).abs().mean()
    assert changed == 0 if number == 0 else changed > 1e-3
    for other in range(14):
        if other != number:
            assert (out[number] - out[other]).abs().mean() > 1e-4


@pytest.mark.parametrize("number", [3, 10, 11, 12, 13])
def test_what_moves_an_image_can_go_either_way_and_not_at_all(number: int) -> None:
    change = views._OPS[number]
    torch.testing.assert_close(change(IMAGE_BCHW[:8], torch.full((8,), 0.5)), IMAGE_BCHW[:8], rtol=0, atol=1e-5)
    one, other = (change(SMOOTH_BCHW[:8], torch.full((8,), s)) for s in (0.1, 0.9))
    assert not torch.allclose(one, other, atol=1e-2)


def test_the_grey_square_is_at_most_half_a_side() -> None:
    black = torch.zeros(500, 3, 24, 24)
    cut = views._cut(black, torch.rand(500, 3, generator=torch.Generator().manual_seed(1)))
    inside_BHW = (cut == 0.5).all(1)
    assert inside_BHW.any(2).sum(1).max() == inside_BHW.any(1).sum(1).max() == 12
    assert set(cut.unique().tolist()) == {0.0, 0.5}


def test_equalised_pixels_are_spread_evenly() -> None:
    dark = IMAGE_BCHW[:4] ** 2
    even = views._equalised(dark, torch.ones(4))
    for channel in even.flatten(2).flatten(0, 1):
        assert torch.quantile(channel, torch.tensor([0.25, 0.5, 0.75])).tolist() == pytest.approx([0.25, 0.5, 0.75], abs=0.04)
    order = dark[0, 0].flatten().argsort()
    assert (even[0, 0].flatten()[order].diff() >= -1e-6).all()


@pytest.mark.parametrize("view", [weak, strong])
def test_views_are_as_exact_where_networks_compute_in_bf16(view: object) -> None:
    assert callable(view)
    with torch.autocast("cpu", torch.bfloat16):
        seen = view(IMAGE_BCHW, KEY_B)
    torch.testing.assert_close(seen, view(IMAGE_BCHW, KEY_B), rtol=0, atol=0)
