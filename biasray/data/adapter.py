"""What a data set's own file says about it. Adding a data set is adding one module with one final class."""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biasray.data.dataset import DataSet


class Remark(NamedTuple):
    """A file and what was found about it."""

    file: str
    reason: str


class Index(NamedTuple):
    """What a source folder holds, before any image is decoded."""

    rows: pd.DataFrame  # `id` (unique), attributes, and `split` ("train" or "test") where the data set has its own
    set_aside: list[Remark]  # not usable
    noted: list[Remark]  # used, but worth a look


class Adapter(ABC):
    """How a data set lies on disk as its makers publish it."""

    target: ClassVar[str]
    bias: ClassVar[str]
    mode: ClassVar[Literal["L", "RGB"]] = "RGB"
    size: ClassVar[int]  # pixels a side unless the user says otherwise
    version: ClassVar[int] = 1  # raised by hand when the adapter reads something differently

    @abstractmethod
    def index(self, source: str) -> Index:
        """List the examples; raises ValueError where the folder does not have the data set's layout."""

    @abstractmethod
    def read(self, source: str, example: str) -> bytes | NDArray[np.uint8]:
        """The encoded image file of the example with this id, or its pixels (H, W) or (H, W, C)."""


class BuiltIn(ABC):
    """A data set that needs no download."""

    @abstractmethod
    def load(self) -> DataSet: ...
