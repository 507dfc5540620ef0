"""A data set as a table of examples and their images. Axes: N example, R row of a part, H W pixel, C channel."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
Images = NDArray[np.uint8]  # (N, H, W, C)
OWN_COLUMNS = ("id", "split", "hash")  # every other column is an attribute


@final
@dataclass(frozen=True)
class DataSet:
    name: str
    examples: pd.DataFrame
    """One row an example, sorted by id: `id`, `split`, `hash`, and a column per attribute (text or number); an empty text or
    NaN is no label."""
    shape: tuple[int, int, int]
    """C, H, W of the images as stored."""
    target: str
    """What is predicted unless the user says otherwise."""
    bias: str
    """The bias attribute unless the user says otherwise; 'colour' for grey digits, which are coloured when biased."""
    checksum: str
    """Of all that an experiment can read of this data set."""
    images: Callable[[NDArray[np.int64]], Images]
    """The images of these rows of `examples`, uint8 (N, H, W, C)."""
    reading: NDArray[np.int64] | None = None
    """Rows in the order in which their images are best read; None: as they are."""
    set_aside: tuple[tuple[str, str], ...] = ()
    """Files that the import could not use, each with the reason."""
    store: Images | None = None
    """All images, where they are at hand already: one copy for all processes of a machine."""
    shown: Callable[[NDArray[np.int64], str], NDArray[np.bool_] | None] | None = None
    """Where these rows show an attribute, (N, H, W), or None where nobody knows: of images that were drawn."""
    on_disk: bool = False
    """Whether `store` is a file mapped into memory, because memory cannot hold it."""

    @property
    def size(self) -> int:
        """Bytes of all images."""
        return len(self.examples) * math.prod(self.shape)

    @property
    def attributes(self) -> list[str]:
        return [name for name in self.examples.columns if name not in OWN_COLUMNS]

    def take(self, rows_N: NDArray[np.int64]) -> Images:
        """The images of these rows, from `store` where it is there: uint8 (N, H, W, C)."""
        return self.images(rows_N) if self.store is None else self.store[rows_N]


def has_label(column: pd.Series) -> NDArray[np.bool_]:
    """(N,) of which examples this attribute is known."""
    return np.asarray(column.notna() & (column.astype(object) != ""))


def refuse_unlabelled(examples: pd.DataFrame, names: Iterable[str], called: str) -> None:
    """Raises ValueError where one of these attributes is not known of all examples."""
    for name in names:
        if n := int((~has_label(examples[name])).sum()):
            raise ValueError(f"{called} has {n:,} images without {name}, which all need here; import it --without them.")


def part(dataset: DataSet, examples: pd.DataFrame, row_R: NDArray[np.int64], checksum: str) -> DataSet:
    """These rows of a data set. `examples` is its table, all rows of it, perhaps with other columns."""
    place_N = np.full(len(dataset.examples), -1)
    place_N[row_R] = np.arange(len(row_R))
    read = None if dataset.reading is None else place_N[dataset.reading]
    return replace(
        dataset,
        examples=examples.iloc[row_R].reset_index(drop=True),
        checksum=checksum,
        images=partial(_images, dataset, row_R),
        reading=None if read is None else read[read >= 0],
        store=None,
        shown=None,
        on_disk=False,
    )


def _images(dataset: DataSet, row_R: NDArray[np.int64], rows: NDArray[np.int64]) -> Images:
    return dataset.take(row_R[rows])
