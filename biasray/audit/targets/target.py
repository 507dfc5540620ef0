"""A black box: an image goes in, some answer comes out."""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple


class Probe(NamedTuple):
    name: str  # of the kit, which tells nothing of the image
    image_png: bytes


class RefusedError(ValueError):
    """This image gets no answer, now or later: that is an answer too."""


class Target(ABC):
    @abstractmethod
    def answer(self, probe: Probe) -> Any:
        """What it says of one image, JSON-like.

        Raises RefusedError where it will not answer to this image, and ValueError where it answers to none, for now.
        """


def first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
