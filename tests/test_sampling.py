"""The rows of an epoch."""

import torch

from biasray.random import generator
from biasray.sampling import balanced, repeated


def test_balanced_draws_every_class_that_occurs_equally_often() -> None:
    class_N = torch.tensor([0] * 900 + [2] * 90 + [5] * 10)  # 1, 3 and 4 do not occur
    drawn = torch.cat([class_N[balanced(class_N, generator(i))] for i in range(20)])
    share_K = torch.bincount(drawn, minlength=6) / len(drawn)
    assert share_K[[1, 3, 4]].sum() == 0
    assert (share_K[[0, 2, 5]] - 1 / 3).abs().max() < 0.02  # a standard error is 0.003


def test_balanced_draws_a_tables_length_with_replacement_repeatably() -> None:
    class_N = torch.tensor([0, 0, 0, 0, 1])
    rows = balanced(class_N, generator("a"))
    assert len(rows) == 5
    assert rows.dtype == torch.long
    assert torch.equal(rows, balanced(class_N, generator("a")))


def test_repeated_holds_each_row_so_often_in_random_order() -> None:
    copies_N = torch.tensor([1, 0, 6, 1, 3] * 4)
    rows = repeated(copies_N, generator("a"))
    assert torch.equal(torch.bincount(rows, minlength=20), copies_N)
    assert not torch.equal(rows, rows.sort().values)
    assert not torch.equal(rows, repeated(copies_N, generator("b")))
