"""A model of somebody's: what the best detector reads from it, and how far that can be relied on."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from biasray.networks.layout import Layout
from biasray.report import detect_page, detect_rows
from biasray.report.detect_rows import Found
from biasray.weights import detectors
from biasray.weights.study import Models, Reading, levels, lonelier
from biasray.zoo import checkpoint

UNLIKE = 0.99  # share of members with a nearer neighbour, above which a model is unlike them


def suspect(file: str, layout: Layout) -> Tensor:
    """(P,) of the model to read; raises ValueError where it is none of the zoo's network, or holds no numbers."""
    row_P = checkpoint.row(file, layout)
    if not bool(torch.isfinite(row_P).all()):
        raise ValueError(f"{file} holds weights that are no finite numbers: no level can be read from it.")
    return row_P


def judged(file: str, row_P: Tensor, models: Models, readings: Sequence[Reading], whole: Sequence[Found]) -> dict[str, Any]:
    """What is read by the detector that was right most often where units were in another order, on the first split.

    It is fitted anew, on all of the zoo's members. `whole` holds figures of detectors that learnt from all of a fold.
    """
    index, weight_MP, layout = models
    best = max((f for f in whole if f.split == readings[0].split), key=lambda f: f.shuffled)
    reading = next(r for r in readings if (r.detector, detect_rows.setting(r)) == (best.detector, best.setting))
    detector = detectors.build(best.detector, layout, reading.seed, reading.layers, reading.front)
    detector.fit(weight_MP.numpy(), levels(index))
    p_K, names = detector.predict_proba(row_P[None].numpy())[0], detect_page.level_names(index)
    k, far = int(p_K.argmax()), lonelier(row_P, weight_MP, layout)
    caveats = [
        f"{best.detector} read {100 * best.accuracy:.0f} % of the levels of members that it had not seen ({best.split} split), "
        f"{100 * best.shuffled:.0f} % where their units were in another order; chance is {100 * best.chance:.0f} %.",
        f"{100 * far:.0f} % of the members have a nearer neighbour than this model has, by the statistics of their layers"
        + (": it is unlike them, so do not rely on what is read." if far > UNLIKE else "."),
    ]
    return {
        "file": file,
        "level": names[k],
        "sentence": f"{best.detector} reads the level '{names[k]}', with probability {p_K[k]:.2f}.",
        "p": [f"{p:.2f}" for p in p_K],
        "detector": best.detector,
        "unlike": far,
        "caveats": caveats + detect_page.limits(index),
    }
