"""Layers of the head and of what is around it. Coordinates u (right) and v (down) in head units; (H, W, N)."""

import numpy as np

from biasray.drawing.canvas import Canvas, Patch
from biasray.drawing.parts import PART
from biasray.drawing.person import Person
from biasray.drawing.shapes import Floats, box, ellipse, squircle, wave

ALL = (-3.0, 3.0, -3.0, 3.0)
CROWN = 0.98  # from the middle of the head to the top of the skull
HAT_LINE = -0.52  # where a hat ends on the forehead


def backdrop(canvas: Canvas, someone: Person) -> None:
    patch = canvas.patch(*ALL)
    colour_CN = someone.between("back", 0.45, 0.75) + someone.colour("back", -0.08, 0.08)
    slope = someone.between("back_slope", -0.5, 0.5)
    glow_HWN = (slope * patch.u - patch.v) * someone.between("back_light", 0.0, 0.12)
    canvas.colour_CHWN[:, patch.rows, patch.columns] = colour_CN[:, None, None] + glow_HWN


def clothes(canvas: Canvas, someone: Person) -> None:
    patch = canvas.patch(-1.8, 1.8, 1.1, 3.0)
    colour_CN = someone.between("cloth", 0.2, 0.65) + someone.colour("cloth", -0.12, 0.12)
    wide = 1.35 + 0.15 * someone.growth + 0.12 * someone.male * someone.growth
    shoulders = squircle(patch.u, patch.v - 2.2, wide, 0.98, 0.5)
    canvas.paint(patch, shoulders, colour_CN, PART["clothes"])
    canvas.paint(patch, shoulders + 0.16, colour_CN * 1.1, None, soft=0.3)


def neck(canvas: Canvas, someone: Person) -> None:
    patch = canvas.patch(-0.7, 0.7, 0.5, 1.8)
    wide = 0.33 + 0.06 * someone.growth + 0.13 * someone.male * someone.growth
    throat = box(patch.u, patch.v - 1.0, wide, 0.56, 0.25)
    canvas.paint(patch, throat, someone.skin_CN * 0.86, PART["skin"])
    under_chin = np.maximum(ellipse(patch.u, patch.v - 0.45, 0.75, 0.85), throat)
    canvas.paint(patch, under_chin, someone.skin_CN * 0.62, None, 0.6, soft=0.12)


def ears(canvas: Canvas, someone: Person) -> None:
    patch = canvas.patch(-1.1, 1.1, -0.3, 0.5)
    beside = np.abs(patch.u) - jaw_width(someone)
    ear = ellipse(beside, patch.v - 0.08, 0.15, 0.24)
    canvas.paint(patch, ear, someone.skin_CN * 0.92, PART["skin"])
    canvas.paint(patch, ear + 0.09, someone.skin_CN * 0.72, None, 0.8, soft=0.06)


def head(canvas: Canvas, someone: Person) -> None:
    patch = canvas.patch(-1.0, 1.0, -1.1, 1.25)
    skull = skull_distance(patch.u, patch.v, someone)
    light_HWN = 0.82 + 0.75 * np.minimum(np.maximum(-skull, 0), 0.24)  # more towards the middle: it looks round
    canvas.paint(patch, skull, someone.skin_CN[:, None, None] * light_HWN, PART["skin"])
    blush = ellipse(np.abs(patch.u) - 0.48, patch.v - 0.36, 0.2, 0.16)
    rosy = someone.skin_CN * np.array([[1.0], [0.72], [0.68]], np.float32)
    canvas.paint(patch, blush, rosy, None, 0.45 - 0.3 * someone.lined, soft=0.25)


def jaw_width(someone: Person) -> Floats:
    return 0.77 - 0.02 * someone.growth + 0.05 * someone.male + someone.between("jaw", -0.03, 0.03)


def skull_distance(u: Floats, v: Floats, someone: Person) -> Floats:
    """To the outline of the face: round in a child, longer with age, square and broad at a man's jaw."""
    chin = 0.86 + 0.17 * someone.growth + 0.04 * someone.male * someone.growth
    height = np.where(v < 0, CROWN, chin)
    square = np.where(v < 0, 0.15, 0.05 + 0.60 * someone.male * (0.4 + 0.6 * someone.growth))
    return squircle(u, v, jaw_width(someone), height, square)


def hair_behind(canvas: Canvas, someone: Person) -> None:
    """All but what lies on the forehead and temples: a short cut to the ears, long hair to the shoulders, or curls."""
    patch = canvas.patch(-1.35, 1.35, -1.45, 1.7)

    wide, high = jaw_width(someone) + by_style(someone, 0.10, 0.27, 0.46), by_style(someone, 1.06, 1.52, 1.30)
    outline = squircle(patch.u, patch.v - by_style(someone, -0.12, 0.22, -0.12), wide, high, by_style(someone, 0.0, 0.5, 0.2))
    distance = np.maximum(outline + 0.09 * someone.curly * locks(patch, someone), patch.v - by_style(someone, 0.12, 3.0, 3.0))
    comb(canvas, patch, distance, someone, 1.0)


def hair_before(canvas: Canvas, someone: Person) -> None:
    """What frames the face: a hairline across the forehead, and sides that come down to the ears or past the cheeks."""
    patch = canvas.patch(-1.0, 1.0, -1.25, 1.3)
    u, v = patch.u, patch.v
    across = u - turn(someone) - someone.between("parting", -0.3, 0.3)
    wide, long = jaw_width(someone), someone.long
    outer = ellipse(u, v + 0.12, wide + 0.08, 1.04)
    top = -0.68 - 0.08 * someone.lined * someone.male + someone.between("fringe", -0.06, 0.06) + 0.04 * long
    hairline = v - top - (0.55 + 0.25 * long) * across * across  # lower at the temples
    crown = np.maximum(np.maximum(outer, hairline), v + 0.02 - 0.25 * (1 - long))
    # A strip that hides the edge of the face: sideburns, or as long as the hair.
    strip = np.abs(np.abs(u) - wide - 0.04 + 0.05 * np.abs(v)) - by_style(someone, 0.10, 0.14, 0.12)
    sides = np.maximum(strip, np.maximum(v - by_style(someone, 0.18, 1.2, 0.4), -0.5 - v))
    comb(canvas, patch, np.minimum(crown, sides), someone, 1.15)


def by_style(someone: Person, short: float, long: float, curly: float) -> Floats:
    return short + (long - short) * someone.long + (curly - short) * someone.curly


def locks(patch: Patch, someone: Person) -> Floats:
    """0 on a strand or in the middle of a curl, up to 1 or 2 beside it."""
    curly = someone.curly
    strands = wave((4.5 - 2.1 * curly) * patch.u + (0.7 - 0.7 * curly) * patch.v)
    return strands + curly * wave(2.4 * patch.v)


def comb(canvas: Canvas, patch: Patch, distance_HWN: Floats, someone: Person, light: float) -> None:
    """Paint hair with its strands or curls, pressed flat where a hat sits."""
    tone_HWN = light - 0.24 / (1 + someone.curly) * locks(patch, someone)
    pressed = np.maximum(distance_HWN, HAT_LINE - 0.1 - patch.v - 9 * (1 - someone.hat))
    canvas.paint(patch, pressed, someone.hair_CN[:, None, None] * tone_HWN, PART["hair"])


def turn(someone: Person) -> Floats:
    return someone.between("turn", -0.09, 0.09)


def hat(canvas: Canvas, someone: Person) -> None:
    """A knitted hat or, with a brim, one of felt."""
    patch = canvas.patch(-1.6, 1.6, -1.8, -0.2)
    u, v = patch.u, patch.v
    colour_CN = someone.between("hat", 0.25, 0.7) + someone.colour("hat", -0.2, 0.2)
    wide = jaw_width(someone)
    brim = np.maximum(someone.between("brim", -0.3, 0.5), 0)
    dome = np.maximum(squircle(u, v - HAT_LINE, wide + 0.12, 0.98, 0.3), v - HAT_LINE)
    light_HWN = 0.8 + 0.85 * np.minimum(np.maximum(-dome, 0), 0.24)
    canvas.paint(patch, dome, colour_CN[:, None, None] * light_HWN, PART["hat"], someone.hat)
    band = box(u, v - HAT_LINE + 0.02 - 0.06 * u * u, wide + 0.14 + brim, 0.15 - 0.12 * brim, 0.07)
    canvas.paint(patch, band, colour_CN * 0.6, PART["hat"], someone.hat)
    canvas.paint(patch, band + 0.05, colour_CN * 0.72, None, someone.hat * wave(3.5 * u), soft=0.05)
