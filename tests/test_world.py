"""Sums, means and writes over workers: two gloo workers against the whole batch on one."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from torch import Tensor

from biasray.networks.norm import WorldBatchNorm2d
from biasray.world import Alone, World, part
from tests.training import pair

N = 7  # uneven: parts of 4 and 3
VALUE_B = torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0], dtype=torch.float64)
WEIGHT_B = torch.tensor([1.0, 0.0, 2.0, 0.5, 3.0, 0.0, 1.0], dtype=torch.float64)
INDEX_B = torch.tensor([0, 3, 5, 3, 5, 1, 5])  # rows 3 and 5 repeat, row 5 on both workers


def work(world: World) -> dict[str, Tensor]:
    """What a method may ask of the world, on this worker's part."""
    value, weight, index = (part(x, world) for x in (VALUE_B, WEIGHT_B, INDEX_B))
    out = {
        "mean": world.mean(value),
        "weighted": world.mean(value, weight),
        "bool weighted": world.mean(value, weight > 0),
        "unweighted by all 0": world.mean(value, weight * 0),
        "sum": world.sum(torch.stack([value.sum(), weight.sum()])),
        "gather": world.gather(value),
        "gather bool": world.gather(weight > 0),
        "gather rows": world.gather(torch.stack([value, weight], 1)),
        "gather whole numbers": world.gather(index),
    }
    few = VALUE_B[:1]  # the second worker has none
    out["mean of one"], out["gather one"] = world.mean(part(few, world)), world.gather(part(few, world))
    for name, value_B in (("put", value), ("put bool", weight > 0), ("put whole numbers", index * 10)):
        out[name] = torch.full((8,), -1.0) if name == "put" else torch.zeros(8, dtype=value_B.dtype)
        world.put(out[name], index, value_B)

    weight_1 = torch.ones(1, dtype=torch.float64, requires_grad=True)
    loss = world.mean((weight_1 * value).sin()) * world.sum((weight_1 * value).sum()) ** 2
    loss.backward()
    assert weight_1.grad is not None
    out["gradient"] = world.sum(weight_1.grad) / world.size  # as the loop averages

    torch.manual_seed(0)
    norm = WorldBatchNorm2d(3).double()
    torch.nn.init.normal_(norm.weight)
    norm.world = world
    image_BCHW = torch.randn(N, 3, 4, 5, dtype=torch.float64).requires_grad_()
    mine_BCHW = part(image_BCHW, world)
    for _ in range(2):
        normed_BCHW = norm(mine_BCHW)
    world.mean((normed_BCHW.sin() * mine_BCHW).sum((1, 2, 3))).backward()
    assert norm.weight.grad is not None
    assert norm.bias.grad is not None
    assert image_BCHW.grad is not None
    out["norm forward"] = world.gather(normed_BCHW)
    out["norm image gradient"] = world.sum(image_BCHW.grad) / world.size
    out["norm weight gradient"] = world.sum(norm.weight.grad) / world.size
    out["norm bias gradient"] = world.sum(norm.bias.grad) / world.size
    out |= {f"norm {name}": x.clone() for name, x in norm.named_buffers()}
    out["norm in eval mode"] = world.gather(norm.eval()(mine_BCHW))
    return {name: x.detach() for name, x in out.items()}


@pytest.fixture(scope="module")
def one() -> dict[str, Tensor]:
    return work(Alone())


@pytest.fixture(scope="module")
def both() -> list[dict[str, Tensor]]:
    with TemporaryDirectory() as folder:
        assert pair(lambda world: torch.save(work(world), f"{folder}/{world.rank}"), folder)
        return [torch.load(Path(folder) / str(rank)) for rank in range(2)]


def test_two_workers_get_what_one_gets(one: dict[str, Tensor], both: list[dict[str, Tensor]]) -> None:
    for name, expected in one.items():
        for got in both:
            torch.testing.assert_close(got[name], expected, rtol=1e-12, atol=1e-12, msg=lambda m, name=name: f"{name}: {m}")


def test_workers_agree_bitwise(both: list[dict[str, Tensor]]) -> None:
    first, second = both
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_means_are_those_of_the_equation(one: dict[str, Tensor]) -> None:
    assert one["mean"] == 127 / 7
    assert one["weighted"] == (1 + 8 + 4 + 48 + 64) / 7.5
    assert one["bool weighted"] == (1 + 4 + 8 + 16 + 64) / 5
    assert one["unweighted by all 0"] == 0
    assert one["mean of one"] == 1


def test_of_repeated_rows_the_last_wins(one: dict[str, Tensor]) -> None:
    assert one["put"].tolist() == [1, 32, -1, 8, -1, 64, -1, -1]
    assert one["put bool"].tolist() == [True, False, False, True, False, True, False, False]


def test_the_gradient_of_a_sum_is_that_of_the_whole_batch(one: dict[str, Tensor]) -> None:
    # loss = mean sin(w v) (sum w v)^2 at w = 1
    mean, total = VALUE_B.sin().mean(), VALUE_B.sum()
    by_hand = (VALUE_B.cos() * VALUE_B).mean() * total**2 + mean * 2 * total * total
    torch.testing.assert_close(one["gradient"], by_hand[None])


def test_gather_detaches() -> None:
    assert not Alone().gather(torch.ones(2, requires_grad=True)).requires_grad


@pytest.mark.parametrize("workers", [1, 2, 3, 5])
def test_parts_are_contiguous_and_lose_nothing(workers: int) -> None:
    class Of(World):
        size = workers

        def __init__(self, rank: int) -> None:
            self.rank = rank

        def sum(self, x: Tensor) -> Tensor:
            raise NotImplementedError

        def gather(self, x_B: Tensor) -> Tensor:
            raise NotImplementedError

    parts = [part(torch.arange(N), Of(rank)) for rank in range(workers)]
    assert torch.cat(parts).tolist() == list(range(N))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
