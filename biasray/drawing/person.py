"""Who is drawn: attributes as numbers, and all else by chance. Axes: N face, C channel."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from biasray.drawing.canvas import Pose
from biasray.drawing.shapes import Floats
from biasray.random import uniform

AGES = (5, 90)  # years, both included
VALUES: Mapping[str, tuple[str, ...]] = {
    "gender": ("Female", "Male"),
    "skin": ("light", "medium", "brown", "dark"),
    "hair": ("short", "long", "curly"),
    "hair_colour": ("black", "brown", "red", "blond"),
    "glasses": ("no", "yes"),
    "hat": ("no", "yes"),
    "smile": ("no", "yes"),
}
# Tones from light to dark on [0, 1], after the colours of the Monk Skin Tone Scale (Monk 2023).
# A group is a stretch of this line; the gaps keep groups apart in changing light.
TONE = (0.0, 0.35, 0.7, 1.0)
TONE_COLOUR = ((0.97, 0.87, 0.79), (0.87, 0.69, 0.52), (0.60, 0.41, 0.28), (0.30, 0.20, 0.15))
SKIN = {"light": 0.0, "medium": 0.29, "brown": 0.58, "dark": 0.87}
WITHIN = 0.13
HAIR = {
    "black": (0.10, 0.09, 0.10),
    "brown": (0.40, 0.24, 0.13),
    "red": (0.70, 0.30, 0.12),
    "blond": (0.90, 0.74, 0.42),
}
GREY = (0.80, 0.80, 0.81)
CHANCES = (
    "x", "y", "unit", "tilt", "turn", "nod", "tone", "jaw", "eye_size", "eye_colour", "brow", "nose", "lips", "fringe",
    "parting", "back", "back_red", "back_green", "back_blue", "back_slope", "back_light", "cloth", "cloth_red",
    "cloth_green", "cloth_blue", "hat", "hat_red", "hat_green", "hat_blue", "brim", "frame", "round", "light_x",
    "light_y", "gain", "grain",
)  # fmt: skip


@dataclass(frozen=True)
class Person:
    """Numbers (N,) in [0, 1] and colours (C, N) in [0, 1]."""

    growth: Floats  # 0 at 5 years, 1 from 20 on
    lined: Floats  # by age: 0 up to 25 years, 0.4 at 40, 1 from 80 on
    male: Floats
    long: Floats
    curly: Floats
    glasses: Floats
    hat: Floats
    smile: Floats
    skin_CN: Floats
    hair_CN: Floats
    brow_CN: Floats
    chance: Mapping[str, Floats]  # uniform, by name; depends on the key alone

    def between(self, name: str, low: float, high: float) -> Floats:
        """A chance, spread from low to high."""
        return low + (high - low) * self.chance[name]

    def colour(self, name: str, low: float, high: float) -> Floats:
        """A colour (C, N) by chance."""
        return np.stack([self.between(f"{name}_{c}", low, high) for c in ("red", "green", "blue")])


def person(attributes: pd.DataFrame, key_N: NDArray[np.int64]) -> Person:
    """Attributes must have passed `check`."""
    chance_NK = uniform(torch.from_numpy(np.ascontiguousarray(key_N)), len(CHANCES)).numpy().astype(np.float32)
    chance = dict(zip(CHANCES, np.ascontiguousarray(chance_NK.T), strict=True))
    age = np.asarray(attributes["age"], np.float32)
    growth, ageing = np.clip((age - 5) / 15, 0, 1), np.clip((age - 25) / 55, 0, 1)
    lined = (ageing + np.sqrt(ageing)) / 2
    tone = np.array([SKIN[name] for name in attributes["skin"]]) + WITHIN * chance["tone"]
    skin_CN = np.stack([np.interp(tone, TONE, channel).astype(np.float32) for channel in zip(*TONE_COLOUR, strict=True)])
    hair_CN = np.array([HAIR[name] for name in attributes["hair_colour"]], np.float32).T
    grey_CN = np.array(GREY, np.float32)[:, None] - hair_CN

    def has(name: str, value: str) -> Floats:
        return (np.asarray(attributes[name]) == value).astype(np.float32)

    return Person(
        growth=growth,
        lined=lined,
        male=has("gender", "Male"),
        long=has("hair", "long"),
        curly=has("hair", "curly"),
        glasses=has("glasses", "yes"),
        hat=has("hat", "yes"),
        smile=has("smile", "yes"),
        skin_CN=skin_CN,
        hair_CN=hair_CN + 0.5 * lined * grey_CN,
        brow_CN=0.8 * hair_CN,
        chance=chance,
    )


def pose(someone: Person) -> Pose:
    """Heads differ in place, size and tilt; children's are smaller."""
    half = someone.between("tilt", -0.06, 0.06)  # tangent of half the angle
    norm = 1 + half * half
    return Pose(
        x=someone.between("x", 29.5, 34.5),
        y=someone.between("y", 33.5, 37.5),
        unit=someone.between("unit", 17.5, 20.0) * (0.92 + 0.08 * someone.growth),
        cos=(1 - half * half) / norm,
        sin=2 * half / norm,
    )


def check(attributes: pd.DataFrame) -> None:
    """Raises ValueError for an attribute that is missing or has a value that cannot be drawn."""
    for name in ("age", *VALUES):
        if name not in attributes:
            raise ValueError(f"A face needs the attribute '{name}'; given are: {', '.join(map(str, attributes.columns))}.")
    low, high = AGES
    if not attributes["age"].between(low, high).all():
        raise ValueError(f"Faces are drawn from {low} to {high} years of age; clip the ages to that.")
    for name, values in VALUES.items():
        wrong = attributes[name][~attributes[name].isin(values)]
        if len(wrong):
            raise ValueError(f"'{name}' cannot be {wrong.iloc[0]!r}; choose one of {', '.join(values)}.")
