"""Repairing members of a zoo: Ray Tune hands one way of repair after another to warm workers, which keep the detector."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, final

from biasray import storage
from biasray.data.dataset import DataSet
from biasray.engine.cells import Status
from biasray.engine.cluster import connect, refuse_too_much
from biasray.engine.detect import THREADS, opened
from biasray.engine.fan_out import fan_out
from biasray.engine.work import Shared, share
from biasray.weights import detectors
from biasray.weights.neural import Neural
from biasray.weights.repair import WAYS
from biasray.weights.study import Models, levels
from biasray.zoo import store
from biasray.zoo.repairing import Ward, admitted, located, repaired

WHERE = "where"  # the job that says where the bias sits


@final
@dataclass(frozen=True, kw_only=True)
class Treatment:
    """All that a repair depends on besides its way, the zoo and the images."""

    detector: str
    members: int
    seed: int


def repair_all(
    ways: Sequence[str],
    treatment: Treatment,
    zoo: str,
    dataset: DataSet,
    out: str,
    told: Callable[[Status], None] = lambda status: None,
) -> dict[int, str]:
    """Try every way whose file is not there yet, and `WHERE`; returns one sentence for each that failed, by number.

    Each leaves a JSON object, as `zoo.repairing` makes it, at `file(out, way)`.
    """
    todo = {k: way for k, way in enumerate(ways) if not storage.exists(file(out, way))}
    if not todo:
        return {}
    connect()
    refuse_too_much(1, {"CPU": THREADS})
    scratch = storage.join(out, "ray")
    shared = share(dataset, scratch)
    jobs = {k: _Job(k, way, treatment, zoo, shared, file(out, way)) for k, way in todo.items()}
    return fan_out(jobs, {"CPU": THREADS}, THREADS, None, scratch, told, lambda number: None)


def file(out: str, way: str) -> str:
    return storage.join(out, "ways", f"{way}.json")


class _Job(NamedTuple):
    """A way of repair on its way to a worker."""

    number: int
    way: str
    treatment: Treatment
    zoo: str
    shared: Shared
    file: str

    def __call__(self, board: Any) -> None:
        ward = admit(self.treatment, self.zoo, self.shared)
        found = located(ward) if self.way == WHERE else repaired(WAYS[self.way], ward)
        storage.write_json(self.file, found)
        board.tell.remote(self.number, 1, 1, 0)


@lru_cache(1)
def admit(treatment: Treatment, zoo: str, shared: Shared) -> Ward:
    """The members to repair, with a detector that has learnt from others."""
    index, weight_MP, layout = opened(zoo)
    sick, others = admitted(index, treatment.members, treatment.seed)
    detector = detectors.known(treatment.detector)(layout, treatment.seed)
    assert isinstance(detector, Neural)
    detector.fit(weight_MP[others].float().numpy(), levels(index)[others])
    models = Models(index.iloc[sick].reset_index(drop=True), weight_MP[sick].float(), layout)
    return Ward(models, detector, *store.architecture(zoo, index["network"].iloc[0]), shared.open(), treatment.seed)
