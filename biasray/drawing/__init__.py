"""Drawn faces with controllable attributes, and which part is seen at each pixel."""

from biasray.drawing.canvas import SIDE
from biasray.drawing.faces import VERSION, Drawn, draw
from biasray.drawing.parts import PART, PARTS
from biasray.drawing.person import AGES, VALUES

__all__ = ["AGES", "PART", "PARTS", "SIDE", "VALUES", "VERSION", "Drawn", "draw"]
