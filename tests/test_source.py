"""The batches of a stream: cycles, cursors, keys and fetching ahead."""

from itertools import chain
from typing import Any

import pytest
import torch
from torch import Tensor

from biasray.contract import Batch, Stream, Table
from biasray.source import Source, every
from biasray.world import Alone, World

CPU = torch.device("cpu")


class Rows(Table):
    """Nothing but its row numbers."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    def fetch(self, index_B: Tensor, key_B: Tensor) -> Batch:
        return Batch(index_B, index_B, index_B, None, None, key_B)


class Half(World):
    size = 2

    def __init__(self, rank: int) -> None:
        self.rank = rank

    def sum(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def gather(self, x_B: Tensor) -> Tensor:
        raise NotImplementedError


def source(stream: Stream = Stream(), world: World | None = None, ahead: bool = False, seed: int = 0, n: int = 11) -> Source:
    return Source("Stream 'train' of Probe's stage 'fit'", Rows(n), stream, 4, world or Alone(), (seed, "train"), CPU, ahead)


def take(of: Source, n: int) -> list[tuple[list[int], list[int]]]:
    batches = [of.next() for _ in range(n)]
    return [(b.index.tolist(), b.key.tolist()) for b in batches]


def test_a_cycle_holds_every_row_once_in_a_new_order() -> None:
    batches = [rows for rows, _ in take(source(), 6)]
    first, second = [*chain(*batches[:3])], [*chain(*batches[3:])]
    assert [len(b) for b in batches] == [4, 4, 3] * 2
    assert sorted(first) == sorted(second) == list(range(11))
    assert first != second


def test_order_and_keys_depend_on_the_seed_alone() -> None:
    assert take(source(), 5) == take(source(), 5)
    assert take(source(seed=1), 5) != take(source(), 5)


def test_no_key_comes_twice() -> None:
    keys = [*chain(*(keys for _, keys in take(source(), 30)))]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize("stop", range(8))
def test_a_restored_source_goes_on_as_if_nothing_had_been(stop: int, ahead: bool) -> None:
    through = source(ahead=ahead)
    expected = take(through, 8)
    first, second = source(ahead=ahead), source(ahead=ahead)
    take(first, stop)
    second.restore(first.state())
    assert take(second, 8 - stop) == expected[stop:]
    for each in (through, first, second):
        each.close()


def test_rows_are_saved_and_not_chosen_again() -> None:
    """They may depend on buffers that have changed since."""
    limit = [11]
    stream = Stream(rows=lambda _: torch.arange(limit[0]))
    first = source(stream)
    take(first, 1)
    state: dict[str, Any] = first.state()
    limit[0] = 5
    second = source(stream)
    second.restore(state)
    assert [rows for rows, _ in take(second, 4)] == [[4, 5, 6, 7], [8, 9, 10], [0, 1, 2, 3], [4]]


def test_rows_may_repeat_and_may_be_fewer_than_a_batch() -> None:
    of = source(Stream(rows=lambda _: torch.tensor([7, 7, 2])))
    assert [rows for rows, _ in take(of, 2)] == [[7, 7, 2]] * 2


def test_times_multiplies_the_batch() -> None:
    assert [len(rows) for rows, _ in take(source(Stream(times=2)), 3)] == [8, 3, 8]


def test_workers_parts_together_are_the_batch_with_its_keys() -> None:
    left, right = take(source(world=Half(0)), 4), take(source(world=Half(1)), 4)
    both = [(a + c, b + d) for (a, b), (c, d) in zip(left, right, strict=True)]
    assert both == take(source(), 4)


def test_no_rows_are_refused_in_one_sentence() -> None:
    with pytest.raises(ValueError, match="Stream 'train' of Probe's stage 'fit' has no example to train on"):
        source(Stream(rows=lambda _: torch.empty(0, dtype=torch.long))).next()
    with pytest.raises(ValueError, match="Stream 'train' of Probe's stage 'fit' has no example to train on"):
        source(n=0).next()


def test_every_gives_each_row_once_in_order_over_workers() -> None:
    parts = [list(every(Rows(11), 4, Half(rank), CPU)) for rank in range(2)]
    batches = [torch.cat(pair).tolist() for pair in zip(*parts, strict=True)]
    assert batches == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]
