"""What ways of repair do to members of a digit zoo: settings are searched on some digits and judged on others.

Axes: M member, P weight, T test image, L layer, U unit, R resample or repeat, H W C.
"""

import itertools
import time
from collections.abc import Iterator, Mapping
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
from biasray.predict import autocast
from biasray.random import key, rng
from biasray.weights.chain import chain, shuffled
from biasray.weights.localise import by_layer, by_unit, permutation_importance, towards
from biasray.weights.neural import Neural
from biasray.weights.repair import Case, Way
from biasray.weights.study import Models, Rows, levels
from biasray.zoo.exam import Exam, Kept
from biasray.zoo.member import Predict
from biasray.zoo.stacked import leaves, sketch, stack

PARTS = {"tune": 0.4, "choose": 0.1, "judge": 0.5}  # of the test digits: no two share one
PACK = 8  # members in one program
BATCH = 32  # digits of a step
RESAMPLES = 1000


def admitted(index: pd.DataFrame, members: int, seed: int) -> tuple[Rows, Rows]:
    """Rows of the members to repair, as many of each level, and of those that a detector learns from.

    No detector has seen a member that is repaired, nor, where members learnt from two halves of the images, one of its half.
    Raises ValueError where the zoo has too few.
    """
    code_M, rows = levels(index), np.arange(len(index))
    each = members // len(set(code_M))
    halves = sorted(index["half"].unique()) if "half" in index else []
    sick = (index["half"] == halves[1]).to_numpy() if len(halves) > 1 else np.ones(len(index), bool)
    fewest = min(int((code_M[sick] == k).sum()) for k in set(code_M))
    if not 1 <= each <= fewest or (len(halves) < 2 and each > fewest - 5):
        raise ValueError(
            f"--members {members}: give {len(set(code_M))} or more, and no more than can be spared: it has {fewest} of a level "
            "to choose from, and the detector must learn from others."
        )
    drawn = rng(seed, "repair")
    chosen = np.sort(
        np.concatenate([drawn.choice(rows[sick & (code_M == k)], each, replace=False) for k in sorted(set(code_M))])
    )
    return chosen, rows[~sick] if len(halves) > 1 else np.setdiff1d(rows, chosen)


def parted(dataset: DataSet, seed: int) -> dict[str, NDArray[np.int64]]:
    """Rows of the test digits that are learnt from, that settings are chosen by, and that repairs are judged on."""
    row_T = rng(seed, "parts").permutation(np.flatnonzero(dataset.examples["split"] == "test"))
    ends = np.round(np.cumsum(list(PARTS.values())) * len(row_T)).astype(int)[:-1]
    return {name: np.sort(part) for name, part in zip(PARTS, np.split(row_T, ends), strict=True)}


class Seen(NamedTuple):
    """What members do, on the digits that repairs are judged on, and what the detector reads from them."""

    right_MT: Tensor
    kept: Kept
    read_M: NDArray[np.int64]


@final
class Ward:
    """Members to repair, the digits they are tried on, and the detector that reads their bias."""

    def __init__(
        self, models: Models, detector: Neural, network: str, shape: Shape, outputs: int, dataset: DataSet, seed: int
    ) -> None:
        self.index, self.row_MP, self.layout = models
        self.weight_MP = self.row_MP[:, : self.layout.trained]
        self.detector, self.network, self.seed = detector, network, seed
        self.packs = [stack(network, shape, outputs, len(part), "grouped") for part in self.row_MP.split(PACK)]
        self.dropout = any(isinstance(layer, nn.Dropout) for layer in leaves(sketch(network, shape, outputs)).values())
        self.device, self.precision = torch.device("cpu"), self.index["precision"].iloc[0]
        std_M, white_M = (torch.tensor(self.index[c].to_numpy(float)) for c in ("level", "brightest"))
        self.exams = {
            name: Exam(dataset, row_T, std_M.sqrt(), white_M / 255, self.device, torch.float32, f"repair {name}")
            for name, row_T in parted(dataset, seed).items()
        }
        grad_MP = towards(self.detector, self.row_MP, len(self.detector.classes_) - 1)
        share_ML = by_layer(grad_MP, self.row_MP.std(0), self.layout)
        self.share_ML, self.layer = share_ML, chain(self.layout)[int(share_ML.mean(0).argmax())]

    def case(self) -> Case:
        return Case(self.layout, self.layer, self.bias, self.digits, self.seed)

    def bias(self, weight_MP: Tensor) -> Tensor:
        """(M, P) gradient of the detector's cross-entropy with the least biased level, the last."""
        return towards(self.detector, self.rows(weight_MP), len(self.detector.classes_) - 1)[:, : self.layout.trained]

    def rows(self, weight_MP: Tensor) -> Tensor:
        """The whole rows of members with these weights: no repair touches what is not trained."""
        return torch.cat([weight_MP, self.row_MP[:, self.layout.trained :]], 1)

    def digits(self, weight_MP: Tensor, step: int) -> Tensor:
        """(M, P) gradient of each member's own cross-entropy on a batch of the digits to learn from."""
        exam, n = self.exams["tune"], len(self.exams["tune"].digit_T)
        at_B = torch.arange(step * BATCH, (step + 1) * BATCH) % n
        grads, rest_MP = list[Tensor](), self.row_MP[:, self.layout.trained :]
        for pack, (weight, rest, image_MBHWC) in self._packed(weight_MP, rest_MP, exam.images(at_B)):
            moved = weight.clone().requires_grad_()
            with autocast(self.device, self.precision):
                output_MBK = pack(torch.cat([moved, rest], 1), {}, image_MBHWC).float()
            target_MB = exam.digit_T[at_B].expand(output_MBK.shape[:2])
            loss = F.cross_entropy(output_MBK.flatten(0, 1), target_MB.flatten(), reduction="sum") / len(at_B)
            grads += torch.autograd.grad(loss, moved)
        return torch.cat(grads)

    def predictor(self, weight_MP: Tensor, drops: bool = False) -> Predict:
        calls, names, row_MP = itertools.count(), self.index["id"].tolist(), self.rows(weight_MP)

        @torch.no_grad()
        def predict(image_MBHWC: Tensor) -> Tensor:
            call, outputs = next(calls), []
            key_M = torch.tensor([key(self.seed, "dropout", name, call) for name in names])
            keys = key_M.split(PACK)
            for (pack, (row, image)), keys_M in zip(self._packed(row_MP, image_MBHWC), keys, strict=True):
                with autocast(self.device, self.precision):
                    outputs.append(pack(row, {}, image, keys_M if drops else None).float())
            return torch.cat(outputs)

        return predict

    def _packed(self, *tensors: Tensor) -> Iterator[tuple[Any, tuple[Tensor, ...]]]:
        return zip(self.packs, zip(*(tensor.split(PACK) for tensor in tensors), strict=True), strict=True)

    @cached_property
    def before(self) -> Seen:
        return self.seen(self.weight_MP)

    def seen(self, weight_MP: Tensor, drops: bool = False) -> Seen:
        exam, predict = self.exams["judge"], self.predictor(weight_MP, drops)
        return Seen(exam.right(predict), exam.kept(predict), self.detector.predict(self.rows(weight_MP).numpy()))


def located(ward: Ward, seed: int) -> dict[str, Any]:
    """Where the detector finds the bias of the members, and how well it reads them at all: a JSON object."""
    code_M, grad_MP = levels(ward.index), ward.bias(ward.weight_MP)
    lost = permutation_importance(ward.detector, ward.row_MP, code_M, ward.layout, seed)
    moved_MP = shuffled(ward.row_MP, ward.layout, key(seed, "control"))
    layers = chain(ward.layout)
    return {
        "layers": [
            {
                "name": layer.weight.name,
                "share": {"value": float(share_M.mean()), **_bounds(over_seeds(share_M.numpy().astype(float)))},
                "lost": {"value": float(lost[layer.weight.name].mean()), **_bounds(percentile(lost[layer.weight.name]))},
                "units": by_unit(grad_MP, layer).mean(0).tolist(),
            }
            for layer, share_M in zip(layers, ward.share_ML.T, strict=True)
        ],
        "found": ward.layer.weight.name,
        "right": int((ward.detector.predict(ward.row_MP.numpy()) == code_M).sum()),
        "right, units in another order": int((ward.detector.predict(moved_MP.numpy()) == code_M).sum()),
        "n": len(code_M),
    }


def repaired(way: Way, ward: Ward) -> dict[str, Any]:
    """The way with the setting that is best on the digits to choose by, judged on others: a JSON object.

    Raises ValueError for dropout in networks that have none.
    """
    if way.drops and not ward.dropout:
        raise ValueError(f"{ward.network} has no dropout that could go on when it predicts; leave that way out.")
    before, began = ward.before, time.monotonic()
    tried, best, best_MP = list[dict[str, float]](), {"accuracy": -1.0}, ward.weight_MP
    for size in way.sizes:
        walk = itertools.islice(way.steps(ward.case(), ward.weight_MP, size), way.stops[-1])
        for steps, weight_MP in enumerate(walk, 1):
            if steps not in way.stops:
                continue
            right_MT = ward.exams["choose"].right(ward.predictor(weight_MP, way.drops))
            tried.append({"size": size, "steps": steps, "accuracy": float(right_MT.double().mean())})
            if tried[-1]["accuracy"] > best["accuracy"]:
                best, best_MP = tried[-1], weight_MP
    after = ward.seen(best_MP, way.drops)
    members = ward.index[["id", "level"]].assign(
        **{
            f"{name}, {when}": values
            for when, seen in (("before", before), ("after", after))
            for name, values in (
                ("accuracy", seen.right_MT.double().mean(1).numpy()),
                ("colour score", seen.kept.score().numpy()),
                ("read", seen.read_M),
            )
        }
    )
    return {
        **{name: best[name] for name in ("size", "steps")},
        "tried": tried,
        "effects": [*effects(before, after)],
        "members": members.to_dict("records"),
        "seconds": time.monotonic() - began,
    }


def effects(before: Seen, after: Seen) -> Iterator[Mapping[str, Any]]:
    """Each figure's mean over members before, and its change, with intervals over members and over digits."""
    drawn = rng("repair", "digits")
    figures = {
        "unbiased accuracy": [(seen.right_MT.double(), torch.ones_like(seen.right_MT).double()) for seen in (before, after)],
        "colour score": [
            (torch.where(seen.kept.counted_MT, seen.kept.ratio_MT, 0).double(), seen.kept.counted_MT.double())
            for seen in (before, after)
        ],
    }
    for metric, pairs in figures.items():
        n = pairs[0][0].shape[1]
        weight_RT = torch.from_numpy(drawn.multinomial(n, np.full(n, 1 / n), RESAMPLES)).double()
        (old_M, old_RM), (new_M, new_RM) = (
            ((part_MT.sum(1) / of_MT.sum(1)), (weight_RT @ part_MT.T) / (weight_RT @ of_MT.T)) for part_MT, of_MT in pairs
        )
        known_M = ~(old_M.isnan() | new_M.isnan())  # a member that gets nothing right has no colour score
        change_M, change_R = (new_M - old_M)[known_M], (new_RM - old_RM)[:, known_M].nanmean(1)
        shared = {"metric": metric, "before": float(old_M[known_M].mean()), "change": float(change_M.mean())}
        for kind, interval, m in (
            ("members", over_seeds(change_M.numpy()), int(known_M.sum())),
            ("digits", percentile(change_R.numpy()), n),
        ):
            yield {**shared, "interval": kind, "n": m, **_bounds(interval)}


def _bounds(interval: Interval) -> dict[str, float]:
    return {"low": interval.low, "high": interval.high}
