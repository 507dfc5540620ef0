"""One self-contained page about the bias of a black box."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from biasray.audit.kit import Kit
from biasray.audit.verdict import Estimate, Verdict
from biasray.report import audit_plots

PLACES = {"age": 2, "gender": 3}
UNITS = {"age": "years", "gender": "of the error rate"}
MEANING = "for the first group minus that for the second, or for all: above zero it is worse for the first."
MEANINGS = {"age": f"The mean absolute error of its ages {MEANING}", "gender": f"Its error rate {MEANING}"}


def render(
    found: Verdict, kit: Kit, black_box: str, asked: int, within: float | None, chain: str, about: Mapping[str, Any]
) -> str:
    """HTML; `asked` is the number of questions, `within` how narrow the interval was to be, `chain` the journal's last hash."""
    target, pool = kit.about["target"], kit.pool
    page = Environment(loader=PackageLoader("biasray.report", "."), undefined=StrictUndefined, autoescape=True)
    label, plane = f"{pool.figures[0].name}, {UNITS[target]}", None
    if found.places:
        plane = Markup(audit_plots.plane(*found.places, pool.truth_RT[:, 0], pool.about["network"], label))
    return page.get_template("audit.html.j2").render(
        title="Audit of a black box",
        lead=f"{black_box}: {found.answers} answers, beside {len(pool.about):,} references of "
        f"{pool.about['network'].nunique()} architectures.",
        unit=UNITS[target],
        estimates=[_line(e, target) for e in found.estimates],
        caveats=found.caveats,
        meaning=MEANINGS[target],
        plane=plane,
        unlike=f"{found.likeness.far_M[0]:.2f}",
        asked=[
            ("questions", asked),
            ("answers with a number", found.answers),
            ("images asked about again, answered otherwise", len(found.changed)),
            ("correlation with the references' mean answers", f"{found.likeness.along_M[0]:.2f}"),
            ("distance from the references' mean answers, 1 of the nearest reference", f"{found.likeness.own_M[0]:.2f}"),
            ("estimator", kit.about["estimator"] if within is None else "local"),
            ("images", "all of the kit" if within is None else f"each by the answers before it, until within {within:g}"),
        ],
        nearby=within is None,
        about=about,
        away=kit.about["away"],
        kit=kit.checksum,
        chain=chain,
    )


def _line(e: Estimate, target: str) -> dict[str, str]:
    if not np.isfinite(e.half):
        return {"figure": e.figure, "value": shown(e.value, target), "interval": "none", "said": ""}
    low, high, (first, _, second) = e.value - e.half, e.value + e.half, e.figure.partition(" - ")
    worse = f"worse for {first}" if low > 0 else f"better for {first}" if high < 0 else ""
    return {
        "figure": e.figure,
        "value": shown(e.value, target),
        "interval": f"{shown(low, target)} to {shown(high, target)}",
        "said": f"{worse} than for {second}" if worse else "no clear difference",
    }


def shown(value: float, target: str) -> str:
    """With as many places as make sense, and without a minus before 0."""
    places = PLACES[target]
    return f"{round(value, places) + 0.0:.{places}f}"
