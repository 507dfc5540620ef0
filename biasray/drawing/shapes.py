"""Signed distances to simple shapes: negative inside, in the unit of the coordinates, exact to first order at the edge.

Coordinates x (right) and y (down) are relative to the shape's centre. Only + - * / and the square root are used: IEEE 754
fixes their rounding for every length of array, so a face has the same bytes drawn alone and in a batch.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]  # float32 throughout
Length = Floats | float


def ellipse(x: Floats, y: Floats, width: Length, height: Length) -> Floats:
    """Half axes `width` and `height`. The distance is Taubin's (1994): the implicit function over its gradient's length."""
    a, b = x / width, y / height
    aa, bb = a * a, b * b
    slope = aa * (4 / (width * width)) + bb * (4 / (height * height))
    return (aa + bb - 1) / np.sqrt(slope + 1e-6)


def squircle(x: Floats, y: Floats, width: Length, height: Length, square: Length) -> Floats:
    """Between an ellipse (`square` 0) and a rectangle (towards 1), after Fernandez Guasti (1992).

    a^2 + b^2 - square a^2 b^2 = 1 has more branches further out: where a or b is above 1 it counts as 1.
    """
    a, b = x / width, y / height
    aa, bb = a * a, b * b
    less_a, less_b = 1 - square * np.minimum(aa, 1), 1 - square * np.minimum(bb, 1)
    short_b = bb * less_a
    slope = aa * less_b * less_b * (4 / (width * width)) + short_b * less_a * (4 / (height * height))
    return (aa + short_b - 1) / np.sqrt(slope + 1e-6)


def leaf(x: Floats, y: Floats, width: Length, height: Length, bend: Length = 0.0) -> Floats:
    """A stroke along a parabola, `height` thick on either side of it in the middle and pointed at x = -width and width.

    Its ends lie `bend` below its middle: above 0 a frown or a brow, below 0 a smile.
    """
    a = x / width
    aa = a * a
    slope = 2 * a * (bend / width)
    return (np.abs(y - bend * aa) - height * (1 - aa)) / np.sqrt(1 + slope * slope)


def box(x: Floats, y: Floats, width: Length, height: Length, corner: Length) -> Floats:
    """Half sides `width` and `height`, its corners rounded with a radius of at most the shorter one."""
    a, b = np.abs(x) - (width - corner), np.abs(y) - (height - corner)
    outside_x, outside_y = np.maximum(a, 0), np.maximum(b, 0)
    return np.sqrt(outside_x * outside_x + outside_y * outside_y) + np.minimum(np.maximum(a, b), 0) - corner


def wave(x: Floats) -> Floats:
    """A triangle wave of period 1 between 0 (at whole numbers) and 1."""
    return 2 * np.abs(x - np.floor(x + 0.5))
