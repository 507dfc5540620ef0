"""A black box: an image goes in, some answer comes out."""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple


class Probe(NamedTuple):
    name: str  # its id in the kit
    image_png: bytes


class SilentError(ValueError):
    """No answer came; asked later, one may."""


class Target(ABC):
    @abstractmethod
    def answer(self, probe: Probe) -> Any:
        """What it says of one image, JSON-like. Raises ValueError where nothing that can be kept comes back."""
