"""The batches of one stream: a cursor over the rows of its present cycle, saved and restored whole.

The rows of a cycle are saved, never recomputed: they may depend on buffers that have changed since.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, final

import torch
from torch import Tensor

from biasray.contract import Batch, Stream, Table
from biasray.random import generator, key
from biasray.world import World, part


@final
class Source:
    """`next()` gives this worker's part of the next global batch; a last batch may be short.

    With `ahead`, a thread fetches the batch after it meanwhile: for tables that live on the host
    while the networks live on a GPU. What was fetched ahead is not part of the state.
    """

    def __init__(
        self,
        named: str,
        table: Table,
        stream: Stream,
        batch: int,
        world: World,
        seed: tuple[Any, ...],
        device: torch.device,
        ahead: bool,
    ) -> None:
        self.named, self.table, self.stream, self.size = named, table, stream, batch * stream.times
        self.world, self.seed = world, seed
        self.device = device
        self.pool = ThreadPoolExecutor(1) if ahead else None
        self.waiting: Future[Batch] | None = None
        self.cycle, self.at, self.drawn, self.rows = -1, 0, 0, torch.empty(0, dtype=torch.long)

    def state(self) -> dict[str, Any]:
        return {"cycle": self.cycle, "at": self.at, "drawn": self.drawn, "rows": self.rows.cpu()}

    def restore(self, state: dict[str, Any]) -> None:
        self.cycle, self.at, self.drawn = state["cycle"], state["at"], state["drawn"]
        self.rows = state["rows"].to(self.device)

    @property
    def ended(self) -> bool:
        return self.at >= len(self.rows)

    def turn(self) -> None:
        """Begin the next cycle: a new order, or the rows that the stage chooses."""
        self.cycle, self.at = self.cycle + 1, 0
        random = generator(*self.seed, self.cycle)
        rows = self.stream.rows(random) if self.stream.rows else torch.randperm(len(self.table), generator=random)
        if not len(rows):
            raise ValueError(f"{self.named} has no example to train on; see how the stage before it chose them.")
        self.rows = rows.to(self.device)

    def next(self) -> Batch:
        if self.ended:
            self.turn()
        batch = self.waiting.result() if self.waiting else self.fetch(self.at, self.drawn)
        self.at, self.drawn, self.waiting = self.at + self.size, self.drawn + 1, None
        if self.pool and not self.ended:
            self.waiting = self.pool.submit(self.fetch, self.at, self.drawn)
        return batch

    def fetch(self, at: int, drawn: int) -> Batch:
        rows = self.rows[at : at + self.size]
        keys = torch.arange(len(rows), device=self.device) + key(*self.seed, "views", drawn) // 2
        return self.table.fetch(part(rows, self.world), part(keys, self.world))

    def close(self) -> None:
        if self.pool:
            self.pool.shutdown(cancel_futures=True)


def every(table: Table, batch: int, world: World, device: torch.device) -> Iterator[Tensor]:
    """This worker's part of each batch, which together hold every row of a table once, in order."""
    for rows in torch.arange(len(table), device=device).split(batch):
        yield part(rows, world)
