"""What the answers of a black box say of its bias. Axes: R reference, N answer, T figure of bias."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from biasray.audit import estimators
from biasray.audit.asking import AGAIN, Asked
from biasray.audit.embedding import Embedding
from biasray.audit.kit import Kit
from biasray.audit.trust import STRANGE, TURNED, refused, turned, unlike
from biasray.metrics.counts import Floats

FEWEST = 5  # answers
SAME = 1e-3  # of an answer: what a model may differ by in rounding when asked again


class Estimate(NamedTuple):
    figure: str
    value: float
    half: float  # of the 90 % interval; infinite where there is none


class Verdict(NamedTuple):
    estimates: list[Estimate]
    answers: int  # that had a number
    unlike: float  # distance from the nearest reference, where 1 is as far as any reference is from the others
    turned: float  # correlation of its answers with the references' mean
    changed: list[str]  # probes to which it answered differently when asked again
    problems: list[str]  # of answers without a number
    places: tuple[Floats, Floats] | None  # (R, 2) of the references and (2,) of the black box, for the first figure
    caveats: list[str]


def judge(kit: Kit, asked: Sequence[Asked]) -> Verdict:
    """Raises ValueError for too few answers with a number."""
    value = {a.probe: a.value for a in asked}
    column = {probe.name: k for k, probe in enumerate(kit.probes)}
    known = [name for name in column if np.isfinite(value.get(name, np.nan))]
    problems = [f"{a.probe}: {a.problem}" for a in asked if a.problem]
    if len(known) < FEWEST:
        first = f" (the first: {problems[0]})" if problems else ""
        raise ValueError(f"Only {len(known)} answers have a number{first}; an estimate needs {FEWEST}.")
    answer_1N = np.array([[value[name] for name in known]])
    answer_RN = kit.pool.answer_RN[:, [column[name] for name in known]]
    learnt = estimators.known(kit.about["estimator"])().fit(answer_RN, kit.pool.truth_RT)
    told_T = np.reshape(learnt.predict(answer_1N), -1)
    strange = float(unlike(answer_1N, answer_RN, kit.pool.about["network"])[0])
    way = float(turned(answer_1N, answer_RN)[0])
    again = {name: value.get(name + AGAIN, np.nan) for name in known}
    changed = [name for name in known if np.isfinite(again[name]) and not np.isclose(again[name], value[name], rtol=SAME)]
    trusted = not refused(np.array([strange]), np.array([way]))[0]
    estimates = [
        Estimate(figure.name, float(told), kit.half(len(known), figure.name) if trusted else np.inf)
        for figure, told in zip(kit.pool.figures, told_T, strict=True)
    ]
    places = None
    if isinstance(learnt, Embedding):
        places = learnt.place_RTD_[:, 0].numpy(), learnt.placed(answer_1N)[0, 0].numpy()
    caveats = _caveats(kit, strange, way, changed, problems, len(asked))
    if trusted and not np.isfinite([e.half for e in estimates]).all():
        caveats.append(f"No interval is known for {len(known)} answers; ask {int(kit.intervals['budget'].min())} or more.")
    return Verdict(estimates, len(known), strange, way, changed, problems, places, caveats)


def _caveats(kit: Kit, strange: float, way: float, changed: Sequence[str], problems: Sequence[str], asked: int) -> list[str]:
    found = []
    if way < TURNED:
        why = ", as if it counted labels in the other order (see --flipped)" if kit.about["target"] == "gender" else ""
        found.append(f"It answers the other way round (correlation with the references {way:.2f}){why}: no interval is given.")
    elif strange > STRANGE:
        found.append(
            f"It answers like no reference: it is {strange:.1f} times as far from them as any of them is from those of other "
            "architectures. No interval is given, and the estimate rests on little."
        )
    if changed:
        found.append(f"It changed its mind about {len(changed)} of the images that it was asked about twice.")
    if problems:
        found.append(f"{len(problems)} of {asked} answers had no number (the first: {problems[0]}).")
    return found
