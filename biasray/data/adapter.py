"""What a data set's own file says about it. Adding a data set is adding one module with one final class."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Literal, NamedTuple

import pandas as pd

from biasray import storage
from biasray.data.dataset import DataSet
from biasray.data.decode import Changed, Encoded


class Remark(NamedTuple):
    """A file and what was found about it."""

    file: str
    reason: str


Given = Literal["train", "validation", "test", "trainval"]  # trainval: a tenth of it will be validation


class Index(NamedTuple):
    """What a source folder holds, before any image is decoded, in the order in which its images are best read."""

    rows: pd.DataFrame  # `id` (unique), attributes, and where the data set has splits of its own `split`, a `Given`
    set_aside: list[Remark]  # not usable
    noted: list[Remark]  # used, but worth a look


class Adapter(ABC):
    """How a data set lies on disk as its makers publish it."""

    target: ClassVar[str | None]  # unless the user says otherwise; None: the user has to
    bias: ClassVar[str | None]  # '': it has but the target
    anyones: ClassVar[bool] = False  # not one data set but a layout, so it is called after the folder it is imported into
    mode: ClassVar[Literal["L", "RGB"]] = "RGB"
    size: ClassVar[int]  # pixels a side unless the user says otherwise
    network: ClassVar[str] = "resnet18"  # what papers train on it (here those of Zhang et al., MM 2024)
    version: ClassVar[int] = 1  # raised by hand when the adapter reads something differently

    def __init__(self, labels: str | None = None) -> None:
        """`labels`: the user's own CSV; raises ValueError where the data set brings its labels with it."""
        if labels is not None:
            raise ValueError(f"{type(self).__name__} brings its own labels; leave --labels out.")

    @abstractmethod
    def index(self, source: str) -> Index:
        """List the examples, always in the same order; raises ValueError where the layout is not the data set's."""

    def reader(self, source: str) -> Callable[[str], Encoded | Changed]:
        """From an id to its image: an encoded file, or pixels (H, W) or (H, W, C), or what an adapter made of a file; by
        default the file of that name.

        Made once for a slice of `index`, and asked in its order, so that it may keep what the next image needs too.
        It raises ValueError for an image that cannot be had.
        """
        return lambda example: storage.read(storage.join(source, example))


class BuiltIn(ABC):
    """A data set that needs no download."""

    @abstractmethod
    def load(self) -> DataSet: ...
