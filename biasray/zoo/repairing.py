"""What ways of repair do to members of a digit zoo: settings are searched on some digits and judged on others.

Axes: M member, P weight, T test image, L layer, U unit, R resample or repeat, H W C.
"""

import itertools
import time
from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple, final

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from biasray.data.dataset import DataSet
from biasray.metrics.interval import Interval, over_seeds, percentile
from biasray.networks import Shape
from biasray.networks.layout import Layout
from biasray.predict import autocast
from biasray.random import key, rng
from biasray.weights.chain import chain, shuffled
from biasray.weights.localise import by_filter, by_layer, most, permutation_importance, towards
from biasray.weights.neural import Neural
from biasray.weights.repair import Case, Steps, Way
from biasray.weights.study import FOLDS, Models, Rows, levels
from biasray.zoo.exam import Exam, Kept
from biasray.zoo.member import Predict
from biasray.zoo.stacked import Stacked, leaves, sketch, stack

RESULTS = 3  # raised by hand when what is found changes
PARTS = {"tune": 0.4, "choose": 0.1, "judge": 0.5}  # of the test digits: no two share one
PACK = 8  # members in one program
BATCH = 32  # digits of a step
RESAMPLES = 1000


def check(network: str, at: Layout) -> None:
    """Raises ValueError for a network that no way of repair knows how to change."""
    if at.trained != at.size or any(len(layer.vectors) > 1 for layer in chain(at)):
        raise ValueError(f"{network} has norms between its layers, which no way of repair knows; take a zoo without them.")


def drops(network: str, shape: Shape, outputs: int) -> bool:
    """Whether a network has dropout that could go on when it predicts."""
    return any(isinstance(layer, nn.Dropout) for layer in leaves(sketch(network, shape, outputs)).values())


def admitted(index: pd.DataFrame, members: int, seed: int) -> tuple[Rows, Rows]:
    """Rows of the members to repair, as many of each level, and of those that a detector learns from.

    No detector has seen a member that is repaired, nor, where members learnt from two halves of the images, one of its half.
    Raises ValueError where the zoo has too few.
    """
    code_M, rows = levels(index), np.arange(len(index))
    known = sorted(set(code_M))
    halves = sorted(index["half"].unique()) if "half" in index else []
    sick_M = (index["half"] == halves[1]).to_numpy() if len(halves) > 1 else np.ones(len(index), bool)
    most = min(int((code_M[sick_M] == k).sum()) for k in known) - (0 if len(halves) > 1 else FOLDS)
    healthy = min(int((code_M[~sick_M] == k).sum()) for k in known) if len(halves) > 1 else FOLDS
    if most < 1 or healthy < FOLDS:
        where = "in the second half of its images" if len(halves) > 1 else "more than that"
        raise ValueError(
            f"The zoo is too small to repair members of it: a detector needs {FOLDS} of each level to learn from, and there "
            f"must be others of each level {where}; make a larger one."
        )
    each = members // len(known)
    if not 1 <= each <= most:
        raise ValueError(
            f"--members {members}: give {len(known)} to {most * len(known)}, as many of each of {len(known)} levels."
        )
    drawn = rng(seed, "repair")
    chosen = np.sort(np.concatenate([drawn.choice(rows[sick_M & (code_M == k)], each, replace=False) for k in known]))
    return chosen, rows[~sick_M] if len(halves) > 1 else np.setdiff1d(rows, chosen)


def parted(dataset: DataSet, seed: int) -> dict[str, NDArray[np.int64]]:
    """Rows of the test digits that are learnt from, that settings are chosen by, and that repairs are judged on.

    In an order of chance: those that come first are no others than the rest.
    """
    row_T = rng(seed, "parts").permutation(np.flatnonzero(dataset.examples["split"] == "test"))
    ends = np.round(np.cumsum(list(PARTS.values())) * len(row_T)).astype(int)[:-1]
    return dict(zip(PARTS, np.split(row_T, ends), strict=True))


class Seen(NamedTuple):
    """What members do, on the digits that repairs are judged on, and what the detector reads from them."""

    right_MT: Tensor
    kept: Kept
    read_M: NDArray[np.int64]


class _Pack(NamedTuple):
    """Members in one program, and the digits as they see them, by part."""

    stacked: Stacked
    exams: dict[str, Exam]
    name_M: list[str]


@final
class Ward:
    """Members to repair, the digits they are tried on, and the detector that reads their bias."""

    def __init__(
        self, models: Models, detector: Neural, network: str, shape: Shape, outputs: int, dataset: DataSet, seed: int
    ) -> None:
        self.index, self.weight_MP, self.layout = models
        assert len(detector.classes_) == self.index["level"].nunique()
        self.detector, self.seed = detector, seed
        self.device, self.precision = torch.device("cpu"), self.index["precision"].iloc[0]
        self.packs = list[_Pack]()
        for _, mine in self.index.groupby(np.arange(len(self.index)) // PACK):
            std_M, white_M = (torch.tensor(mine[column].to_numpy(float)) for column in ("level", "brightest"))
            exams = {
                name: Exam(dataset, row_T, std_M.sqrt(), white_M / 255, self.device, torch.float32, f"repair {name}")
                for name, row_T in parted(dataset, seed).items()
            }
            self.packs.append(_Pack(stack(network, shape, outputs, len(mine), "grouped"), exams, mine["id"].tolist()))
        self.share_ML = by_layer(self.bias(self.weight_MP), self.weight_MP.std(0), self.layout)
        self.lost = permutation_importance(detector, self.weight_MP, levels(self.index), self.layout, seed)
        found, self.sure = most(self.lost, self.share_ML)
        self.layer = next(layer for layer in chain(self.layout) if layer.weight.name == found)

    def case(self) -> Case:
        return Case(self.layout, self.layer, self.bias, self.digits, self.seed)

    def bias(self, weight_MP: Tensor) -> Tensor:
        """(M, P) gradient of the detector's cross-entropy with the least biased level, the last."""
        return towards(self.detector, weight_MP, len(self.detector.classes_) - 1)

    def digits(self, weight_MP: Tensor, step: int) -> Tensor:
        """(M, P) gradient of each member's own cross-entropy on a batch of the digits to learn from."""
        grads = list[Tensor]()
        for (stacked, exams, _), weight in self._packed(weight_MP):
            exam = exams["tune"]
            at_B = torch.arange(step * BATCH, (step + 1) * BATCH) % len(exam.digit_T)
            moved = weight.clone().requires_grad_()
            with autocast(self.device, self.precision):
                output_MBK = stacked(moved, {}, exam.images(at_B)).float()
            target_MB = exam.digit_T[at_B].expand(output_MBK.shape[:2])
            loss = F.cross_entropy(output_MBK.flatten(0, 1), target_MB.flatten(), reduction="sum") / len(at_B)
            grads += torch.autograd.grad(loss, moved)
        return torch.cat(grads)

    def right(self, part: str, weight_MP: Tensor, dropping: bool = False) -> Tensor:
        """(M, T) whether each digit of a part is classified rightly in its one colour."""
        return torch.cat(
            [pack.exams[part].right(self._predictor(pack, weight, dropping)) for pack, weight in self._packed(weight_MP)]
        )

    def seen(self, weight_MP: Tensor, dropping: bool = False) -> Seen:
        kept = [pack.exams["judge"].kept(self._predictor(pack, weight, dropping)) for pack, weight in self._packed(weight_MP)]
        read_M = self.detector.predict(weight_MP.numpy())
        return Seen(self.right("judge", weight_MP, dropping), Kept(*map(torch.cat, zip(*kept, strict=True))), read_M)

    @cached_property
    def before(self) -> Seen:
        return self.seen(self.weight_MP)

    def _packed(self, weight_MP: Tensor) -> Iterator[tuple[_Pack, Tensor]]:
        return zip(self.packs, weight_MP.split(PACK), strict=True)

    def _predictor(self, pack: _Pack, weight_MP: Tensor, dropping: bool) -> Predict:
        calls = itertools.count()

        @torch.no_grad()
        def predict(image_MBHWC: Tensor) -> Tensor:
            call = next(calls)
            key_M = torch.tensor([key(self.seed, "dropout", name, call) for name in pack.name_M]) if dropping else None
            with autocast(self.device, self.precision):
                return pack.stacked(weight_MP, {}, image_MBHWC, key_M).float()

        return predict


def located(ward: Ward) -> dict[str, Any]:
    """Where the detector finds the bias of the members, and how well it reads them at all: a JSON object."""
    code_M, grad_MP, lost = levels(ward.index), ward.bias(ward.weight_MP), ward.lost
    moved_MP = shuffled(ward.weight_MP, ward.layout, key(ward.seed, "control"))
    return {
        "layers": [
            {
                "name": layer.weight.name,
                "share": {"value": float(share_M.mean()), **_bounds(over_seeds(share_M.numpy().astype(float)))},
                "lost": {"value": float(lost[layer.weight.name].mean()), **_bounds(percentile(lost[layer.weight.name]))},
                **dict(zip(("gradient", "agreement"), (map_UV.tolist() for map_UV in by_filter(grad_MP, layer)), strict=True)),
            }
            for layer, share_M in zip(chain(ward.layout), ward.share_ML.T, strict=True)
        ],
        "found": ward.layer.weight.name,
        "sure": ward.sure,
        "right": int((ward.detector.predict(ward.weight_MP.numpy()) == code_M).sum()),
        "right_shuffled": int((ward.detector.predict(moved_MP.numpy()) == code_M).sum()),
        "n": len(code_M),
    }


def repaired(way: Way, ward: Ward) -> dict[str, Any]:
    """The way with the setting that is best on the digits to choose by, judged on others: a JSON object."""
    before, began = ward.before, time.monotonic()
    tried, best, best_MP = list[dict[str, float]](), {"accuracy": -1.0}, ward.weight_MP
    for size in way.sizes:
        for steps, weight_MP in enumerate(_walk(way.steps, ward, size, way.stops[-1]), 1):
            if steps not in way.stops:
                continue
            right_MT = ward.right("choose", weight_MP, way.drops)
            tried.append({"size": size, "steps": steps, "accuracy": float(right_MT.double().mean())})
            if tried[-1]["accuracy"] > best["accuracy"]:
                best, best_MP = tried[-1], weight_MP
    after = ward.seen(best_MP, way.drops)
    found = {"change": change(before, after)}
    if way.control:
        *_, control_MP = _walk(way.control, ward, best["size"], int(best["steps"]))
        found["beyond control"] = change(ward.seen(control_MP), after)
    return {
        **{name: best[name] for name in ("size", "steps", "accuracy")},
        "tried": tried,
        **found,
        "members": ward.index[["id", "level"]]
        .assign(before=_mean(before), after=_mean(after), read_before=before.read_M, read_after=after.read_M)
        .to_dict("records"),
        "seconds": time.monotonic() - began,
    }


def _walk(steps: Steps, ward: Ward, size: float, many: int) -> Iterator[Tensor]:
    return itertools.islice(steps(ward.case(), ward.weight_MP, size), many)


def _mean(seen: Seen) -> NDArray[np.float64]:
    return np.asarray(seen.right_MT.double().mean(1))


def change(before: Seen, after: Seen) -> dict[str, dict[str, Any]]:
    """By figure its mean over members before, and its change by member, with intervals over members and over digits.

    The colour score is that of digits that are classified rightly, in their own colour, before and after: of others there is
    no such thing as what is kept. A member that has none of these is left out of it.
    """
    both_MT = before.kept.counted_MT & after.kept.counted_MT
    figures = {
        "accuracy": (before.right_MT, after.right_MT, torch.ones_like(before.right_MT)),
        "colour score": (before.kept.ratio_MT, after.kept.ratio_MT, both_MT),
    }
    drawn, out = rng("repair", "digits"), dict[str, dict[str, Any]]()
    for name, (old_MT, new_MT, counts_MT) in figures.items():
        counted = counts_MT.any(1)
        if not counted.any():
            continue
        weight_MT = counts_MT[counted].double()
        gain_MT = (new_MT[counted].double() - old_MT[counted].double()) * weight_MT
        change_M = gain_MT.sum(1) / weight_MT.sum(1)
        n = weight_MT.shape[1]
        times_RT = torch.from_numpy(drawn.multinomial(n, np.full(n, 1 / n), RESAMPLES)).double()
        change_R = ((times_RT @ gain_MT.T) / (times_RT @ weight_MT.T)).nanmean(1)
        out[name] = {
            "before": float(((old_MT[counted].double() * weight_MT).sum(1) / weight_MT.sum(1)).mean()),
            "change": float(change_M.mean()),
            "by member": change_M.tolist(),
            "members": {"n": int(counted.sum()), **_bounds(over_seeds(change_M.numpy()))},
            "digits": {"n": n, **_bounds(percentile(change_R.numpy()))},
            "counted": float(counts_MT.double().mean()),
        }
    return out


def _bounds(interval: Interval) -> dict[str, float | None]:
    """Low and high; of one member, which says nothing of others, None."""
    known = np.isfinite([interval.low, interval.high]).all()
    return {"low": interval.low, "high": interval.high} if known else {"low": None, "high": None}
