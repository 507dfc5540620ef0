"""Progress of work that many processes share: each tells an actor, the driver reads it.

The actor's process imports this module, so it does without what takes seconds to import (torch).
"""

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import ray

if TYPE_CHECKING:
    from biasray.loop import Tick

SECONDS = 1.0  # between two messages of one process


class Seen(NamedTuple):
    """How far one cell is."""

    done: float  # epochs
    total: float
    images: int  # trained on since its last start, by all of its workers


@ray.remote(num_cpus=0)
class Board:
    def __init__(self) -> None:
        self.cells: dict[int, Seen] = {}

    def tell(self, cell: int, done: float, total: float, images: int) -> None:
        before = self.cells.get(cell, Seen(0, 0, 0))
        self.cells[cell] = Seen(max(done, before.done), total, before.images + images)

    def read(self) -> dict[int, Seen]:
        return self.cells


class Teller:
    """The progress callback of a cell on one of its workers."""

    def __init__(self, board: Any, cell: int) -> None:
        self.board, self.cell = board, cell
        self.images, self.told = 0, time.monotonic()

    def __call__(self, tick: "Tick") -> None:
        self.images += tick.images
        if time.monotonic() - self.told >= SECONDS or tick.done >= tick.total:
            self.board.tell.remote(self.cell, tick.done, tick.total, self.images)
            self.images, self.told = 0, time.monotonic()
