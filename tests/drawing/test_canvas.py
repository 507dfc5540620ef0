import numpy as np

from biasray.drawing.canvas import SIDE, Canvas, Pose
from biasray.drawing.shapes import ellipse

WHITE = np.ones((3, 1), np.float32)


def canvas() -> Canvas:
    """Two heads: one upright in the middle, one tilted by 0.6 radians and elsewhere."""
    angle = np.float32([0, 0.6])
    return Canvas(Pose(np.float32([32, 25]), np.float32([32, 40]), np.float32([20, 15]), np.cos(angle), np.sin(angle)))


def test_a_painted_disc_covers_its_area_at_its_place_though_pixels_are_coarse() -> None:
    one = canvas()
    patch = one.patch(-0.6, 0.6, -0.6, 0.6)
    one.paint(patch, ellipse(patch.u - 0.1, patch.v, 0.4, 0.4), WHITE, 1)
    areas = one.colour_CHWN[0].sum((0, 1))
    np.testing.assert_allclose(areas, np.pi * (0.4 * one.pose.unit) ** 2, rtol=0.01)
    centre = (np.arange(SIDE) + 0.5) @ one.colour_CHWN[0].sum(0) / areas
    np.testing.assert_allclose(centre, one.pose.x + 0.1 * one.pose.unit * one.pose.cos, atol=0.05)


def test_a_patch_holds_all_pixels_of_its_rectangle_in_every_picture() -> None:
    one = canvas()
    whole, part = one.patch(-9, 9, -9, 9), one.patch(-0.8, 0.3, -0.2, 0.5)
    assert whole.u.shape == (SIDE, SIDE, 2)
    within = (whole.u > -0.8) & (whole.u < 0.3) & (whole.v > -0.2) & (whole.v < 0.5)
    within[part.rows, part.columns] = False
    assert not within.any()
    np.testing.assert_array_equal(whole.u[part.rows, part.columns], part.u)
    np.testing.assert_array_equal(whole.v[part.rows, part.columns], part.v)


def test_what_is_painted_last_is_the_part_that_is_seen_and_a_shade_is_none() -> None:
    one = canvas()
    patch = one.patch(-9, 9, -9, 9)
    for radius, part, opacity in ((0.8, 1, 1.0), (0.4, 2, 1.0), (0.6, 3, 0.2), (0.9, None, 1.0)):
        one.paint(patch, ellipse(patch.u, patch.v, radius, radius), WHITE, part, opacity)
    upright = one.part_HWN[32, :, 0]
    assert (upright[32 + 1], upright[32 + 11], upright[32 + 17]) == (2, 1, 0)


def test_opacity_mixes_colours() -> None:
    one = canvas()
    patch = one.patch(-9, 9, -9, 9)
    everywhere = np.full_like(patch.u, -1)
    one.paint(patch, everywhere, WHITE, 1)
    one.paint(patch, everywhere, np.zeros((3, 2), np.float32), 1, np.float32([0.25, 1.0]))
    np.testing.assert_allclose(one.colour_CHWN[:, 5, 5], [[0.75, 0.0]] * 3)
