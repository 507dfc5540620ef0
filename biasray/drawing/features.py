"""Layers of the face itself: wrinkles, beard, nose, mouth, eyes, brows, glasses. They move together as the head turns."""

import numpy as np

from biasray.drawing.canvas import Canvas, Patch
from biasray.drawing.head import skull_distance, turn
from biasray.drawing.parts import PART
from biasray.drawing.person import Person
from biasray.drawing.shapes import Floats, box, ellipse, leaf

EYE_SPREAD = 0.36
DARK = np.array([[0.12], [0.09], [0.08]], np.float32)
EYE_WHITE = np.array([[0.95], [0.94], [0.92]], np.float32)
TEETH = np.array([[0.97], [0.95], [0.91]], np.float32)


def turned(canvas: Canvas, someone: Person, left: float, right: float, top: float, bottom: float) -> Patch:
    """A patch in coordinates of the features, whose middle moves over the head."""
    patch = canvas.patch(left - 0.1, right + 0.1, top - 0.1, bottom + 0.1)
    return patch._replace(u=patch.u - turn(someone), v=patch.v - someone.between("nod", -0.04, 0.04))


def eye_level(someone: Person) -> Floats:
    """A child's eyes are lower: its forehead is high."""
    return 0.10 - 0.14 * someone.growth


def mouth_level(someone: Person) -> Floats:
    return 0.52 + 0.07 * someone.growth


def beard(canvas: Canvas, someone: Person) -> None:
    """The shadow of a shaven beard on a grown man's cheeks and chin."""
    patch = turned(canvas, someone, -0.9, 0.9, 0.1, 1.15)
    u, v = patch.u, patch.v
    level = mouth_level(someone)
    around = np.maximum(skull_distance(u, v, someone) + 0.06, 0.34 - 0.6 * u * u - v)
    lips = ellipse(u, v - level, 0.30, 0.10)
    distance = np.maximum(around, -lips)
    colour_CN = 0.5 * someone.skin_CN + 0.5 * someone.brow_CN
    adult = np.clip(3 * someone.growth - 1.5, 0, 1)
    canvas.paint(patch, distance, colour_CN, PART["beard"], 0.8 * someone.male * adult, soft=0.14)


def wrinkles(canvas: Canvas, someone: Person) -> None:
    """Lines of the forehead, beside the eyes, below them, and from the nose to the mouth."""
    patch = turned(canvas, someone, -0.85, 0.85, -0.75, 0.85)
    u, v = patch.u, patch.v
    side = np.abs(u)
    eye = eye_level(someone)
    forehead = np.minimum(leaf(u, v + 0.52, 0.42, 0.035, 0.03), leaf(u, v + 0.40, 0.46, 0.035, 0.03))
    fold_x = (side - 0.33) - 0.45 * (v - 0.44)
    fold = leaf(v - 0.46, fold_x, 0.24, 0.045, 0.03)
    bag = leaf(side - EYE_SPREAD, v - eye - 0.19, 0.19, 0.035, -0.07)
    crow = np.minimum(
        leaf(side - 0.66, v - eye + 0.05 + 0.4 * (side - 0.66), 0.09, 0.03),
        leaf(side - 0.66, v - eye - 0.07 - 0.4 * (side - 0.66), 0.09, 0.03),
    )
    lines = np.minimum(np.minimum(forehead, fold), np.minimum(bag, crow))
    colour_CN = someone.skin_CN * np.array([[0.57], [0.50], [0.48]], np.float32)
    canvas.paint(patch, lines, colour_CN, PART["wrinkles"], someone.lined)


def nose(canvas: Canvas, someone: Person) -> None:
    patch = turned(canvas, someone, -0.25, 0.25, -0.15, 0.45)
    u, v = patch.u, patch.v
    big = (0.72 + 0.28 * someone.growth) * someone.between("nose", 0.9, 1.1) * (1 + 0.12 * someone.male * someone.growth)
    tip = 0.27 + 0.03 * someone.growth
    shade_CN = someone.skin_CN * np.array([[0.68], [0.62], [0.60]], np.float32)
    light_CN = np.minimum(someone.skin_CN * 1.12, 1)
    canvas.paint(patch, ellipse(u, v - tip + 0.16, 0.06, 0.26), light_CN, PART["nose"], 0.6, soft=0.1)
    canvas.paint(patch, leaf(u, v - tip - 0.02, 0.17 * big, 0.05, -0.06), shade_CN, PART["nose"])


def mouth(canvas: Canvas, someone: Person) -> None:
    """Closed, or in a smile that shows the teeth. Fuller and redder in women, thinner with age."""
    patch = turned(canvas, someone, -0.5, 0.5, 0.3, 0.95)
    smile, woman = someone.smile, 1 - someone.male
    u, v = patch.u, patch.v - mouth_level(someone) - 0.05 * smile
    wide = (0.23 + 0.05 * someone.growth) * (1 + 0.32 * smile)
    full = (0.045 + 0.065 * woman - 0.022 * someone.lined) * someone.between("lips", 0.9, 1.1) + 0.05 * smile
    bend = 0.01 - 0.19 * smile
    red = np.array([[0.80], [0.16], [0.24]], np.float32)
    share = 0.12 + (0.26 + 0.40 * someone.growth) * woman - 0.1 * someone.lined
    lip_CN = (1 - share) * someone.skin_CN * np.array([[0.86], [0.68], [0.66]], np.float32) + share * red * (
        0.45 + 0.6 * someone.skin_CN[:1]
    )
    canvas.paint(patch, leaf(u, v, wide, full + 0.03, bend), lip_CN, PART["mouth"])
    gap = leaf(u, v, 0.92 * wide, 0.016 + 0.055 * smile, bend)
    inside_CN = smile * TEETH + (1 - smile) * lip_CN * 0.45
    canvas.paint(patch, gap, inside_CN, PART["mouth"])


def eyes(canvas: Canvas, someone: Person) -> None:
    """Large in a child, lidded with age, lashed in a woman."""
    patch = turned(canvas, someone, -0.75, 0.75, -0.35, 0.35)
    side, v = np.abs(patch.u) - EYE_SPREAD, patch.v - eye_level(someone)
    size = (1.22 - 0.22 * someone.growth) * someone.between("eye_size", 0.93, 1.07)
    wide, high = 0.185 * size, (0.125 - 0.03 * someone.lined) * size
    white = leaf(side, v, wide, high)
    canvas.paint(patch, white - 0.03, someone.skin_CN * 0.72, PART["eyes"], 0.6)
    canvas.paint(patch, white, EYE_WHITE, PART["eyes"])
    iris = np.maximum(ellipse(side, v, 0.098 * size, 0.098 * size), white)
    blue, brown = np.array([[0.30], [0.45], [0.60]], np.float32), np.array([[0.28], [0.16], [0.09]], np.float32)
    mix = someone.chance["eye_colour"]
    canvas.paint(patch, iris, mix * brown + (1 - mix) * blue, PART["eyes"])
    canvas.paint(patch, ellipse(side, v, 0.045, 0.045), DARK, PART["eyes"])
    lash = 0.020 + 0.042 * (1 - someone.male)
    lid = leaf(side - 0.02 * (1 - someone.male), v + high, 1.12 * wide, lash, high)
    canvas.paint(patch, lid, DARK, PART["eyes"])


def brows(canvas: Canvas, someone: Person) -> None:
    """Thick and straight in a man, thin and arched in a woman."""
    patch = turned(canvas, someone, -0.75, 0.75, -0.6, 0.1)
    outward = np.abs(patch.u) - EYE_SPREAD - 0.02
    v = patch.v - eye_level(someone) + 0.25 + 0.02 * (1 - someone.male)
    thick = (0.032 + 0.044 * someone.male) * (0.8 + 0.2 * someone.growth) * someone.between("brow", 0.9, 1.1)
    bend = 0.10 - 0.07 * someone.male
    canvas.paint(patch, leaf(outward, v + 0.04, 0.23, thick, bend), someone.brow_CN, PART["brows"])


def glasses(canvas: Canvas, someone: Person) -> None:
    patch = turned(canvas, someone, -1.0, 1.0, -0.35, 0.45)
    side, v = np.abs(patch.u), patch.v - eye_level(someone) - 0.02
    corner = someone.between("round", 0.08, 0.215)
    lens = box(side - 0.375, v, 0.285, 0.225, corner)
    rim = np.abs(lens) - 0.032
    bridge = leaf(patch.u, v + 0.08, 0.13, 0.035, 0.05)
    temple = box(side - 0.76, v + 0.10, 0.12, 0.03, 0.02)
    frame = np.minimum(rim, np.minimum(bridge, temple))
    shade = someone.between("frame", 0.03, 0.30)
    frame_CN = np.stack([shade, 0.8 * shade, 0.75 * shade])
    canvas.paint(patch, lens, np.ones((3, 1), np.float32), None, 0.10 * someone.glasses)
    canvas.paint(patch, frame, frame_CN, PART["glasses"], someone.glasses)
