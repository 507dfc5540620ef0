"""Forecasts that can be worked out by hand."""

import dataclasses

import pytest

from biasray.zoo.forecast import Calibration, Cost, Machines, foretell

# Two seconds a member, packs of eight.
HERE = Calibration((Cost((1.5, 2.0, 2.5), 8),), 10.0, 0.5, 0.1, 100.0, 1000, 0, 1, "cpu")
FOUR = Machines(machines=2, cores=2, price=1.0, head_price=0.5)


def test_time_is_the_start_the_longest_worker_and_the_end() -> None:
    expected = foretell(HERE, [64], FOUR).expected
    assert (expected.shards, expected.workers) == (8, 4)
    assert expected.seconds == pytest.approx(10 + 2 * (8 * 2 + 0.5) + 8 * 0.1)
    assert expected.core_hours == pytest.approx(4 * expected.seconds / 3600)
    assert expected.price == pytest.approx(2.5 * expected.seconds / 3600)
    assert expected.bytes == 1000 + 64 * 100
    assert expected.gpu_hours == 0


def test_workers_wait_for_the_last_shard() -> None:
    assert foretell(HERE, [72], FOUR).expected.seconds == pytest.approx(10 + 3 * (8 * 2 + 0.5) + 9 * 0.1)


def test_ten_times_the_machines_take_less_time_and_no_less_money() -> None:
    few, many = (foretell(HERE, [48_000], dataclasses.replace(FOUR, machines=n)).expected for n in (2, 20))
    alone = 10 + 3000 * 0.1  # the start, and the end of 3,000 shards, in which no worker helps
    assert many.seconds - alone == pytest.approx((few.seconds - alone) / 10, rel=0.02)
    assert many.core_hours >= few.core_hours


def test_a_faster_machine_and_one_that_boots() -> None:
    slow, fast = (foretell(HERE, [64], dataclasses.replace(FOUR, speed=speed)).expected for speed in (1, 2))
    assert slow.seconds - fast.seconds == pytest.approx(2 * 8 * 1.0)
    booted = foretell(HERE, [64], dataclasses.replace(FOUR, boot=3)).expected
    assert booted.seconds == pytest.approx(slow.seconds + 180)


def test_the_ends_are_those_of_the_seconds_over_shards() -> None:
    told = foretell(HERE, [64], FOUR)
    reach = 4.303 * 0.5 / 3**0.5  # Student's t with 2 degrees of freedom
    assert told.high.seconds - told.expected.seconds == pytest.approx(2 * 8 * reach, rel=1e-3)
    assert told.expected.seconds - told.low.seconds == pytest.approx(2 * 8 * reach, rel=1e-3)


def test_each_program_has_its_own_seconds() -> None:
    two = HERE._replace(costs=(Cost((2.0,), 8), Cost((20.0,), 1)))
    told = foretell(two, [16, 2], Machines(machines=1, cores=1))
    assert told.expected.seconds == pytest.approx(10 + 2 * (16 + 0.5) + (2 * 20 + 0.5) + 3 * 0.1)
    assert told.low == told.expected  # one shard each says nothing of its spread


def test_gpus_are_planned_by_a_calibration_on_one() -> None:
    there = Machines(machines=3, cores=8, gpus=2)
    told = foretell(HERE._replace(device="cuda"), [64], there).expected
    assert told.workers == 6
    assert told.gpu_hours == pytest.approx(6 * told.seconds / 3600)
    with pytest.raises(ValueError, match=r"calibrated on cpu .* and --gpus are given"):
        foretell(HERE, [64], there)
    with pytest.raises(ValueError, match=r"calibrated on cuda .* and no --gpus are given"):
        foretell(HERE._replace(device="cuda"), [64], FOUR)


@pytest.mark.parametrize(
    "wrong", [{"machines": 0}, {"cores": 0}, {"gpus": -1}, {"price": -1.0}, {"speed": 0.0}, {"boot": -1.0}]
)
def test_machines_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="--"):
        Machines(**wrong)  # type: ignore[arg-type]


def test_a_worker_needs_its_threads() -> None:
    with pytest.raises(ValueError, match="--cores 2 give no worker the 4 threads"):
        foretell(HERE._replace(threads=4), [64], FOUR)
