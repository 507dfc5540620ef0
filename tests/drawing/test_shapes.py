import numpy as np
import pytest

from biasray.drawing.shapes import Floats, box, ellipse, leaf, squircle, wave

Y, X = np.meshgrid(*[np.linspace(-3, 3, 121, dtype=np.float32)] * 2, indexing="ij")


def along(edge: np.ndarray) -> np.ndarray:
    """(121, 121) true distance of the grid to an outline (points, 2)."""
    return np.sqrt(((np.stack([X, Y], -1)[:, :, None] - edge) ** 2).sum(-1)).min(-1)


TURN, RISE = np.linspace(0, 2 * np.pi, 400), np.linspace(-1, 1, 200)
ONE = np.ones_like(RISE)


def points(*pieces: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    return np.concatenate([np.stack(piece, -1) for piece in pieces])


@pytest.mark.parametrize(
    ("distance", "edge"),
    [
        (ellipse(X, Y, 1.5, 1.0), points((1.5 * np.cos(TURN), np.sin(TURN)))),
        (leaf(X, Y, 1.5, 0.4, 0.3), points(*[(1.5 * RISE, 0.3 * RISE**2 + s * (1 - RISE**2)) for s in (0.4, -0.4)])),
        (box(X, Y, 1.0, 0.6, 0.0), points((RISE, 0.6 * ONE), (RISE, -0.6 * ONE), (ONE, 0.6 * RISE), (-ONE, 0.6 * RISE))),
    ],
    ids=["ellipse", "leaf", "box"],
)
def test_near_the_edge_a_shape_gives_its_distance_negative_inside(distance: Floats, edge: np.ndarray) -> None:
    true = along(edge)
    near = true < 0.08
    assert near.sum() > 100
    assert np.abs(np.abs(distance[near]) - true[near]).mean() < 0.015
    assert np.abs(distance[true > 0.1]).min() > 0.05
    assert distance[60, 60] < 0 < distance[0, 0]


@pytest.mark.parametrize("square", [0.0, 0.3, 0.7])
def test_a_squarer_ellipse_keeps_its_axes_fills_its_corners_and_ends_there(square: float) -> None:
    inside = squircle(X, Y, 1.5, 1.0, square) < 0
    assert not inside[(np.abs(X) > 1.5) | (np.abs(Y) > 1.0)].any()
    assert inside[60, np.abs(X[60]) < 1.49].all()
    assert inside.sum() >= (ellipse(X, Y, 1.5, 1.0) < 0).sum() * (1 + 0.1 * square)


def test_a_leaf_bends_its_ends_down_where_bend_is_positive() -> None:
    assert (leaf(np.float32([-0.97, 0.97]), np.float32([0.28, 0.28]), 1.0, 0.2, 0.3) < 0).all()
    assert (leaf(np.float32([-0.97, 0.97]), np.float32([-0.28, -0.28]), 1.0, 0.2, 0.3) > 0).all()


def test_a_box_has_round_corners() -> None:
    corner = np.float32([0.99])
    assert box(corner, corner, 1.0, 1.0, 0.0) < 0 < box(corner, corner, 1.0, 1.0, 0.5)


def test_a_wave_is_0_at_whole_numbers_and_1_between() -> None:
    np.testing.assert_allclose(wave(np.float32([-1, -0.5, 0, 0.25, 0.5, 7])), [0, 1, 0, 0.5, 1, 0])


def test_a_number_a_face_broadcasts_over_pixels_and_stays_float32() -> None:
    size = np.float32([0.5, 1.0])
    for shape in (ellipse, leaf):
        both = shape(X[..., None], Y[..., None], size, size)
        assert both.dtype == np.float32
        np.testing.assert_array_equal(both[..., 1], shape(X, Y, np.float32(1.0), np.float32(1.0)))
