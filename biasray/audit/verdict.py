"""What the answers of a black box say of its bias. Axes: R reference, N answer, T figure of bias."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from biasray.audit.adaptive import FEWEST, Policy
from biasray.audit.asking import AGAIN, Asked
from biasray.audit.embedding import Embedding
from biasray.audit.kit import Kit
from biasray.audit.trust import AGREES, OWN, STRANGE, TURNED, Crowd, Likeness
from biasray.audit.turns import answers_so_far
from biasray.metrics.counts import Floats

SAME = 1e-3  # of an answer: what a model may differ by in rounding when asked again


class Estimate(NamedTuple):
    figure: str
    value: float
    half: float  # of the 90 % interval; infinite where there is none


class Verdict(NamedTuple):
    estimates: list[Estimate]
    answers: int  # that had a number
    likeness: Likeness  # (1,)
    changed: list[str]  # probes to which it answered differently when asked again
    problems: list[str]  # of answers without a number
    places: tuple[Floats, Floats] | None  # (R, 2) of the references and (2,) of the black box, for the first figure
    caveats: list[str]


def judge(kit: Kit, asked: Sequence[Asked], policy: Policy | None = None) -> Verdict:
    """`policy` is what the images were chosen by, where they were asked about in turn. Raises ValueError for too few answers
    with a number.
    """
    answer_N, _ = answers_so_far(kit, asked)
    known_N = np.isfinite(answer_N)
    answers = int(known_N.sum())
    problems = [f"{a.probe}: {a.problem}" for a in asked if a.problem]
    if answers < FEWEST:
        first = f" (the first: {problems[0]})" if problems else ""
        raise ValueError(f"Only {answers} answers have a number{first}; an estimate needs {FEWEST}.")
    answer_1N, answer_RN = answer_N[None, known_N], kit.pool.answer_RN[:, known_N]
    learnt = kit.estimator(known_N)
    if policy:
        found = policy.learnt.told(answer_N)
        told_T, half_T = found.value_T, policy.rule.ratio_T * found.spread_T
    else:
        told_T = np.reshape(learnt.predict(answer_1N), -1)
        half_T = np.array([kit.half(answers, figure.name) for figure in kit.pool.figures])
    likeness = Crowd(answer_RN, kit.pool.about["network"]).likeness(answer_1N)
    trusted = not likeness.refused()[0]
    value = {a.probe: a.value for a in asked if np.isfinite(a.value)}
    twice = [name for name in value if name + AGAIN in value]
    changed = [name for name in twice if not np.isclose(value[name + AGAIN], value[name], rtol=SAME)]
    estimates = [
        Estimate(figure.name, float(told), float(half) if trusted else np.inf)
        for figure, told, half in zip(kit.pool.figures, told_T, half_T, strict=True)
    ]
    places = None
    if isinstance(learnt, Embedding):
        places = learnt.place_RTD_[:, 0].numpy(), learnt.placed(answer_1N)[0, 0].numpy()
    caveats = _caveats(likeness, str(kit.about["target"]), changed, problems, len(asked))
    if trusted and not np.isfinite(half_T).all():
        least = int(kit.intervals["budget"].min())
        few = "the kit has fewer than nine references of an architecture"
        more = f"ask {least} or more" if answers < least and not policy else few
        caveats.append(f"No interval is known for {answers} answers: {more}.")
    elif trusted and policy and (half_T > policy.rule.within).any():
        caveats.append(
            f"The interval is no narrower than this after {len(asked)} questions; {policy.rule.within:g} was asked for."
        )
    return Verdict(estimates, answers, likeness, changed, problems, places, caveats)


def _caveats(likeness: Likeness, target: str, changed: Sequence[str], problems: Sequence[str], asked: int) -> list[str]:
    (far,), (way,), (mine,), agreed = likeness
    found = []
    if way < TURNED:
        why = ", as if it counted labels in the other order (see --flipped)" if target == "gender" else ""
        found.append(f"It answers the other way round (correlation with the references {way:.2f}){why}: no interval is given.")
    elif far > STRANGE:
        found.append(
            f"It answers like no reference: it is {far:.1f} times as far from them as any of them is from those of other "
            "architectures. No interval is given, and the estimate rests on little."
        )
    elif way < AGREES * agreed:
        found.append(
            f"It answers like no reference: its answers go with their mean by a correlation of {way:.2f}, those of each of "
            f"them with the others by {agreed:.2f} or more. No interval is given, and the estimate rests on little."
        )
    elif mine < OWN:
        found.append(
            f"It gives the references' mean answers, {mine:.2f} of the distance from them that the most usual reference keeps: "
            "as if it knew the images, and hid what its model says. No interval is given."
        )
    if agreed <= 0:
        found.append("Its answers do not show whether it is like the references: these differ as much among themselves.")
    if changed:
        found.append(f"It changed its mind about {len(changed)} of the images that it was asked about twice.")
    if problems:
        found.append(f"{len(problems)} of {asked} answers had no number (the first: {problems[0]}).")
    return found
