"""A small zoo made here, to foretell a large one."""

import tempfile
import time
from collections.abc import Callable, Sequence

from biasray.data.dataset import DataSet
from biasray.engine.cells import Status
from biasray.engine.cluster import joined
from biasray.engine.zoo import make_zoo
from biasray.experiment import Compute
from biasray.zoo import forecast, plan
from biasray.zoo.forecast import Calibration
from biasray.zoo.member import Member


def calibrate(
    members: Sequence[Member],
    each: int,
    dataset: DataSet,
    compute: Compute,
    told: Callable[[Status], None] = lambda status: None,
) -> Calibration:
    """Make the first `each` members of every program on this machine, and read what they took; nothing is kept.

    Raises ValueError where a cluster was joined, since what is asked is what this machine does, and for shards that fail.
    """
    if joined():
        raise ValueError("A plan is calibrated on one machine: unset RAY_ADDRESS, and run it on one like those to be planned.")
    if each < 1:
        raise ValueError(f"--calibrate must be at least 1 member of each program, not {each}.")
    few = [member for mine in plan.programs(members).values() for member in mine[:each]]
    with tempfile.TemporaryDirectory() as scratch:
        began = time.time()
        failed = make_zoo(few, {}, dataset, f"{scratch}/zoo", compute, told)
        if failed:
            raise ValueError(f"The calibration failed: {next(iter(failed.values()))}")
        return forecast.read(f"{scratch}/zoo", began, time.time())
