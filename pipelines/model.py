"""A model of somebody's: what the best detector reads from it, and how far that can be relied on."""

from collections.abc import Sequence
from typing import Any

import torch

from biasray.metrics.interval import Interval
from biasray.networks.layout import Layout
from biasray.report import detect_page, detect_rows
from biasray.report.detect_rows import Found
from biasray.weights import detectors
from biasray.weights.study import Models, Reading, levels, lonelier
from biasray.zoo import checkpoint
from biasray.zoo.checkpoint import Row

UNLIKE = 0.99  # share of members with a nearer neighbour, above which a model is unlike them


def suspect(file: str, layout: Layout) -> Row:
    """The model to read; raises ValueError where it is none of the zoo's network, or holds no numbers."""
    model = checkpoint.row(file, layout)
    if not bool(torch.isfinite(model.weight_P).all()):
        raise ValueError(f"{file} holds weights that are no finite numbers: no level can be read from it.")
    return model


def judged(file: str, model: Row, models: Models, readings: Sequence[Reading], tried: Sequence[Found]) -> dict[str, Any]:
    """What is read by the detector that was right most often where units were in another order.

    It is fitted anew, on all of the zoo's members. `tried` holds figures of detectors that learnt from all of a fold of one
    split of these members.
    """
    index, weight_MP, layout = models
    row_P, best = model.weight_P, max(tried, key=lambda f: f.shuffled)
    reading = next(r for r in readings if (r.detector, detect_rows.setting(r)) == (best.detector, best.setting))
    detector = detectors.build(best.detector, layout, reading.seed, reading.layers, reading.front)
    detector.fit(weight_MP.numpy(), levels(index))
    p_K, names = detector.predict_proba(row_P[None].numpy())[0], detect_page.level_names(index)
    k, far = int(p_K.argmax()), lonelier(row_P, weight_MP, layout)
    caveats = [
        f"{best.detector} read {percent(best.accuracy, best.interval)} of the levels of {best.n} members that it had not seen "
        f"({best.split} split), {percent(best.shuffled, best.shuffled_interval)} where their units were in another order; "
        f"chance is {100 * best.chance:.0f} %."
        + (f" It is the best of {len(tried)} by that last figure, which so flatters it." if len(tried) > 1 else ""),
        f"{100 * far:.0f} % of the members have a nearer neighbour than this model has, by the statistics of their layers"
        + (": it is unlike them, so do not rely on what is read." if far > UNLIKE else "."),
    ]
    if bool((weight_MP == row_P).all(1).any()):
        caveats.append("It is one of the zoo's own members, from which the detector has learnt.")
    if not model.by_name:
        caveats.append(
            "Its tensors have other names than the zoo's; they were taken in their order, which fits by their shapes."
        )
    return {
        "file": file,
        "level": names[k],
        "sentence": f"{best.detector} reads the level '{names[k]}', with probability {p_K[k]:.2f}.",
        "p": [f"{p:.2f}" for p in p_K],
        "detector": best.detector,
        "unlike": far,
        "caveats": caveats + detect_page.limits(index),
    }


def percent(share: float, interval: Interval) -> str:
    return f"{100 * share:.0f} % ({100 * interval.low:.0f} to {100 * interval.high:.0f})"
