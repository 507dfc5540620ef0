"""The bias of a model whose answers on the private images are known, beside which an audit's estimate can be laid."""

from dataclasses import dataclass
from typing import final

import numpy as np

from biasray import data
from biasray.audit import figures
from biasray.audit.figures import Figure
from biasray.audit.reading import Reading
from biasray.audit.targets.recorded import Recorded
from biasray.audit.targets.target import Probe
from biasray.data.dataset import SPLITS, Split
from biasray.metrics.counts import Floats
from biasray.metrics.gap import Mask, gap
from biasray.metrics.interval import percentile
from biasray.random import rng
from biasray.report.audit_page import UNITS, shown
from pipelines.place import refuse_relative

RESAMPLES = 1000


@final
@dataclass(frozen=True, kw_only=True)
class Truth:
    """Tell the bias of a model from its answers on the private images themselves, to compare an audit with."""

    private: str
    """Data that bias is judged on: an imported set of faces with age, gender and race."""
    answers: str
    """A CSV: a column `file` with the ids of these images, the others hold the answer."""
    figure: tuple[str, ...] = ()
    """Figures of bias, such as gender=Male/Female or race=Black (against all). Default: those of the paper that there are."""
    splits: tuple[Split, ...] = SPLITS
    """Parts of the private data. An audit leaves out the training split where its references learnt from it."""
    reading: Reading = Reading()


def truth(config: Truth) -> dict[str, float]:
    """Each figure by name."""
    if config.private not in data.built_in():
        refuse_relative("--private", config.private)
    refuse_relative("--answers", config.answers)
    private, target = data.load(config.private).examples, config.reading.target
    private = private[private["split"].isin(config.splits)]
    if private.empty:
        raise ValueError(f"{config.private} has no image in --splits {' '.join(config.splits)}; give others.")
    found = [figures.figure(text) for text in config.figure] or figures.published(private)
    answer_N = read(config, private["id"].tolist())
    known_N = np.isfinite(answer_N)
    examples = private[known_N]
    if not found:
        raise ValueError(f"{config.private} has none of the groups that the paper compares; give --figure.")
    figures.check(found, target, examples, f"{config.private}, with answers in {config.answers},")
    error_1N = figures.errors(target, answer_N[None, known_N], examples)
    print(f"{known_N.sum():,} of {len(known_N):,} images have an answer; 95 % intervals over images.")
    told = dict[str, float]()
    for figure in found:
        value_R = resampled(figure, error_1N, figures.sides(figure, examples))
        told[figure.name], interval = float(value_R[0]), percentile(value_R[1:])
        low, high = (shown(end, target) for end in (interval.low, interval.high))
        sizes = " and ".join(f"{side_N.sum():,}" for side_N in figures.sides(figure, examples))
        print(f"{figure.name}: {shown(told[figure.name], target)} ({low} to {high}) {UNITS[target]}, {sizes} images")
    return told


def read(config: Truth, ids: list[str]) -> Floats:
    """(N,) answer to each image, NaN where there is none with a number; raises ValueError where no image has one."""
    recorded, answer_N, problems = Recorded(config.answers, keys=("file",)), np.full(len(ids), np.nan), list[str]()
    for k, name in enumerate(ids):
        try:
            answer_N[k] = config.reading(recorded.answer(Probe(name, b"")))
        except ValueError as error:
            problems.append(f"{name}: {error}")
    if len(problems) == len(ids):
        raise ValueError(f"{config.answers} has no answer to an image of {config.private} (the first: {problems[0]}).")
    if problems:
        print(f"{len(problems):,} images have no answer (the first: {problems[0]}).")
    return answer_N


def resampled(figure: Figure, error_1N: Floats, sides: tuple[Mask, Mask]) -> Floats:
    """The figure, and what it is of each of 1,000 samples of as many images, drawn with replacement."""
    drawn, size = rng("truth", figure.name), error_1N.shape[1]
    value_R = [gap(error_1N, *sides)]
    for _ in range(RESAMPLES):
        row_N = np.asarray(drawn.integers(size, size=size))
        value_R.append(gap(error_1N[:, row_N], *(side_N[row_N] for side_N in sides)))
    return np.concatenate(value_R)
