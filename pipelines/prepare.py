"""Making the kit of an audit."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd
from PIL import Image

from biasray import storage
from biasray.audit import estimators, kit
from biasray.audit.disclosure import Traced, traced
from biasray.audit.embedding import Embedding
from biasray.audit.kit import Kit
from biasray.audit.probes import Order
from biasray.audit.study import Fit, Pool, half_widths, in_turn, order, orders
from biasray.audit.targets.target import Probe
from biasray.report.audit_page import UNITS
from pipelines.cli import about
from pipelines.place import refuse_relative
from pipelines.references import References, asked_about, scored, sources

STEPS = (10, 20, 40, 80, 160, 320, 640)  # numbers of answers for which intervals are calibrated
REPLAYED = 100  # references of each architecture that are asked in turn, to know how wide an interval has to be then


@final
@dataclass(frozen=True, kw_only=True)
class Prepare(References):
    """Make the kit of an audit: the images to ask about, and what the references answered to them.

    It holds no private image and no private label; of the private data it holds the bias of each reference.
    """

    budget: int = 80
    """Images to ask about, at most."""
    estimator: str = "kernel"
    """kernel, stress, ridge or local."""
    out: str
    """Folder or URI of the kit."""


def prepare(config: Prepare) -> str:
    """Returns the checksum of the kit."""
    refuse_relative("--out", config.out)
    estimators.known(config.estimator)
    if config.budget < STEPS[0] or config.budget > config.candidates:
        raise ValueError(f"--budget {config.budget}: give {STEPS[0]} to the number of --candidates, {config.candidates:,}.")
    if storage.names(config.out):
        raise ValueError(f"{config.out} is not empty; give another --out.")
    zoos, read = sources(config)
    asked_about(config, zoos)
    found = scored(config, zoos)
    fit = Fit("", config.estimator, "chosen", 0)
    budget = min(config.budget, len(found.rows_N))
    asked, without = order(fit, found.pool.answer_RN, found.pool.truth_RT)[:budget], orders(fit, found.pool)
    intervals = fixed(fit, found.pool, budget, without)
    rows = found.rows_N[asked]
    ids = found.public.examples["id"].iloc[rows].tolist()
    probes = [Probe(f"{k:04d}", png(image_HWC)) for k, image_HWC in enumerate(found.public.take(rows), 1)]
    made = {name: about()[name] for name in ("versions", "date")}  # the command tells where private data lie
    described = {"target": config.target, "estimator": config.estimator, "read": read, **made}
    pool = found.pool._replace(answer_RN=found.pool.answer_RN[:, asked])
    replays, weights = turns(fit, found.pool, budget, without), learnt(config.estimator, pool)
    away = traced(pool.figures, found.error_RP, found.examples_P)
    described["away"] = disclosed(away)
    checksum = kit.write(Kit(described, probes, pool, intervals, replays, weights, ids), config.out)
    print(f"{config.out}: {budget} images, {len(pool.about):,} references, checksum {checksum}")
    for name, mine in intervals.groupby("figure", sort=False):
        plan = ", ".join(f"{half:.3f} after {answers}" for answers, half in zip(mine["budget"], mine["half"], strict=True))
        print(f"{name}: of each architecture 90 % of the estimates are within this many {UNITS[config.target]}: {plan} answers")
    print(described["away"])
    return checksum


def learnt(name: str, pool: Pool) -> pd.DataFrame:
    """W, where the estimator has one."""
    made = estimators.known(name)()
    if not isinstance(made, Embedding):
        return pd.DataFrame({"figure": [], "axis": [], "weight": []})
    weight_TDN = made.fit(pool.answer_RN, pool.truth_RT).weight_TDN_.numpy()
    return pd.DataFrame(
        {"figure": figure.name, "axis": axis, "weight": weight_N}
        for figure, weight_DN in zip(pool.figures, weight_TDN, strict=True)
        for axis, weight_N in enumerate(weight_DN)
    )


def disclosed(found: Traced | None) -> str:
    """What the kit gives away of the private data, in a sentence."""
    if found is None:
        return "What the kit gives away of the private images was not measured: there are too few of them."
    auc = f"{found.value:.3f} (0.5 is a guess; mean of divisions, {found.low:.3f} to {found.high:.3f})"
    return (
        f"Whoever has this kit, the references themselves and a face can tell with an AUC of {auc} whether the face is among "
        f"{found.images:,} private images, a quarter of them; among all of them with less."
    )


def fixed(fit: Fit, pool: Pool, budget: int, asked: Mapping[str, Order]) -> pd.DataFrame:
    """Half of the 90 % intervals after fixed numbers of answers."""
    budgets = sorted({*(step for step in STEPS if step < budget), budget})
    half_BT = half_widths(fit, pool, budgets, asked)
    pairs = [(b, figure.name) for b in budgets for figure in pool.figures]
    return pd.DataFrame(
        [{"budget": b, "figure": name, "half": half} for (b, name), half in zip(pairs, half_BT.flat, strict=True)]
    )


def turns(fit: Fit, pool: Pool, budget: int, asked: Mapping[str, Order]) -> pd.DataFrame:
    """How far off references are told when they are left out and asked in turn, after each answer."""
    table = pd.concat(in_turn(fit._replace(held=network), pool, images[:budget], REPLAYED) for network, images in asked.items())
    return table.assign(off=table["estimate"] - table["truth"])[["id", "figure", "budget", "off", "spread"]]


def png(image_HWC: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image_HWC.squeeze()).save(buffer, "PNG")
    return buffer.getvalue()
