"""What is still to be done of a list of jobs, each with its own marker, side by side through Ray Tune."""

from collections.abc import Callable, Sequence

from biasray import storage
from biasray.data.dataset import DataSet
from biasray.engine import cluster
from biasray.engine.cells import Status
from biasray.engine.fan_out import Job, fan_out
from biasray.engine.sweep import needs
from biasray.engine.work import Shared, share
from biasray.experiment import Compute

Share = Callable[[DataSet], Shared]


def do_missing(
    markers: Sequence[str],
    job: Callable[[int, Share, bool], Job],
    compute: Compute,
    scratch: str,
    told: Callable[[Status], None] = lambda status: None,
) -> dict[int, str]:
    """Do every job whose marker is not there yet; one sentence for each that failed, by number.

    `job` makes one from its number, what shares a data set with all workers (once), and whether there are GPUs.
    """
    todo = [k for k, marker in enumerate(markers) if not storage.exists(marker)]
    if not todo:
        return {}
    cluster.connect()
    each, threads = needs(compute)
    cluster.refuse_too_much(1, each)
    shared: dict[str, Shared] = {}

    def once(dataset: DataSet) -> Shared:
        if dataset.checksum not in shared:
            shared[dataset.checksum] = share(dataset, scratch)
        return shared[dataset.checksum]

    jobs = {k: job(k, once, "GPU" in each) for k in todo}
    return fan_out(jobs, each, threads, None, scratch, told, lambda number: None)
