"""Which way of training is chosen."""

import pytest

from biasray.zoo.plan import Speed, best_first

FAST, SLIM, HUGE = Speed("batched", 8, 1.0, 5), Speed("single", 1, 2.0, 1), Speed("grouped", 8, 0.1, 20)


@pytest.mark.parametrize(("held", "best"), [(10, SLIM), (4, SLIM), (100, HUGE), (1000, HUGE)])
def test_the_way_that_makes_most_members_an_hour_is_chosen(held: int, best: Speed) -> None:
    assert best_first([FAST, SLIM, HUGE], lambda memory: min(8, held // memory))[0] is best


def test_one_that_no_machine_has_memory_for_is_last() -> None:
    assert best_first([HUGE, FAST, SLIM], lambda memory: min(8, 10 // memory)) == [SLIM, FAST, HUGE]
