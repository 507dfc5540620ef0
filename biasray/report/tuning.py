"""What a search of settings found: rows, a table for the terminal, and one self-contained page. Axes: S seed, E epoch."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from biasray.metrics.interval import over_seeds, paired_p
from biasray.report import headline, plots
from biasray.report.results import Outcome, Row, bounds
from biasray.space import Range

Trial = Mapping[str, Any]  # settings, score (None where it could not be trained), epochs, failure
ACROSS = 3  # panels in a row
SHOWN = 12  # trials that are listed


def rows(data: str, outcomes: Sequence[Outcome], score: Sequence[float], metric: str, n: int) -> list[Row]:
    """Rows of a score on validation: of each outcome, and of the second minus the first, paired by seed.

    `score` are those of the first outcome by seed, then those of the second.
    """
    first_S, second_S = np.array(score).reshape(2, -1)
    shared = {"data": data, "group": "all", "n": n, "seeds": len(first_S), "interval": "seeds"}
    out = []
    for outcome, score_S in zip(outcomes, (first_S, second_S), strict=True):
        told = {"method": outcome.method, "setting": outcome.setting, "seconds": outcome.seconds, "metric": metric}
        out.append({**shared, **told, "value": float(score_S.mean()), **bounds(over_seeds(score_S), within=True)})
    gain_S = second_S - first_S
    p = paired_p(gain_S)
    gain = {"metric": f"{metric} minus {outcomes[0].method}", "value": float(gain_S.mean()), "p": None if np.isnan(p) else p}
    return [*out, {**out[-1], **gain, **bounds(over_seeds(gain_S), within=False)}]


def table(found: Sequence[Row]) -> list[tuple[str, list[str]]]:
    """Lines of metric, and by method its value with the interval over seeds, and the difference."""
    wanted = [next(r["metric"] for r in found), *headline.COLUMNS]
    methods = list(dict.fromkeys(r["method"] for r in found))
    by = {(r["method"], r["metric"]): r for r in found if (r["interval"], r["group"]) == ("seeds", "all")}
    lines = []
    for metric in wanted:
        places = [*((m, metric) for m in methods), (methods[1], f"{metric} minus {methods[0]}")]
        title = metric if metric.startswith("validation") else f"test {headline.title(metric)}"
        lines.append((title, [f"{100 * by[p]['value']:.1f} ({headline.span(by[p])})" for p in places]))
    return lines


def text(found: Sequence[Row], settings: Mapping[str, Any]) -> str:
    """The table in Markdown, and what was found."""
    head = ["", *dict.fromkeys(r["method"] for r in found), "tuned minus default"]
    lines = [head, *([title, *cells] for title, cells in table(found))]
    said = f"Per cent, mean and 95 % interval over {found[0]['seeds']} seeds that no trial had."
    return "\n".join([*headline.markdown(lines), "", said, verdict(found), f"Tuned: {_listed(settings)}."])


def verdict(found: Sequence[Row]) -> str:
    """Whether the search was worth its while, in a sentence."""
    gain = next(r for r in found if " minus " in r["metric"])
    if gain["low"] == gain["high"] == 0:
        return "The default stays: trained with other seeds, no trial has a higher mean on validation."
    if gain["low"] is None:
        return "With one seed nothing can be said of the gain."
    if gain["low"] > 0:
        return "The tuned setting beats the default on validation."
    if gain["high"] < 0:
        return "On validation the tuned setting is worse than the default."
    return "On validation the interval of the gain holds 0: the tuned setting does not surely beat the default."


def render(
    found: Sequence[Row],
    base: Mapping[str, Any],
    ranges: Mapping[str, Range],
    trials: Sequence[Trial],
    finalists: Sequence[Mapping[str, Any]],
    told: Mapping[str, str],
    about: Mapping[str, Any],
) -> str:
    """HTML from the rows, the experiment that all trials vary, the ranges of its settings, and all trials, the best first.

    `finalists` have settings and scores by seed, the winner first, scores empty where it had no rival; `told` says by which
    `way` settings were chosen, for which `objective`.
    """
    trained = [t for t in trials if t["score"] is not None]
    environment = Environment(loader=PackageLoader("biasray.report", "."), undefined=StrictUndefined, autoescape=True)
    return environment.get_template("tuning.html.j2").render(
        title=f"Settings of {base['method']} on {base['data_name']}",
        lead=f"{len(trials)} trials by {told['way']} search for the highest {told['objective'].replace('-', ' ')} accuracy on "
        f"validation; {base['network']}, {base['epochs']} epochs, seed {base['seed']}.",
        methods=list(dict.fromkeys(r["method"] for r in found)),
        table=table(found),
        verdict=verdict(found),
        seeds=found[0]["seeds"],
        informed=base["task"]["validation"] == "balanced",
        plot=Markup(scatter(trained, finalists[0]["settings"], base, ranges)),
        finalists=[_finalist(f, trained, ranges) for f in finalists if f["scores"]],
        names=list(ranges),
        ranked=[(_values(t["settings"], ranges), f"{100 * t['score']:.1f}", t["epochs"]) for t in trained[:SHOWN]],
        number=len(trials),
        failures=sorted({t["failure"] for t in trials if t["failure"]}),
        about=about,
    )


def _values(settings: Mapping[str, Any], ranges: Mapping[str, Range]) -> list[str]:
    return ["by itself" if settings[name] is None else f"{settings[name]:.4g}" for name in ranges]


def _score(settings: Mapping[str, Any], trials: Sequence[Trial]) -> float | None:
    """In the search; None of the default, unless it was tried."""
    return next((t["score"] for t in trials if t["settings"] == settings), None)


def _finalist(finalist: Mapping[str, Any], trials: Sequence[Trial], ranges: Mapping[str, Range]) -> tuple[list[str], str, str]:
    """Settings of a finalist, its score in the search, and over the other seeds."""
    first = _score(finalist["settings"], trials)
    mean, interval = float(np.mean(finalist["scores"])), over_seeds(np.array(finalist["scores"]))
    span = headline.span({"value": mean, **bounds(interval, within=True)})
    return (
        _values(finalist["settings"], ranges),
        "default" if first is None else f"{100 * first:.1f}",
        f"{100 * mean:.1f} ({span})",
    )


def scatter(trials: Sequence[Trial], winner: Mapping[str, Any], base: Mapping[str, Any], ranges: Mapping[str, Range]) -> str:
    """The score of each trial against each setting, the best first; those that were stopped early are pale."""
    across = min(len(ranges), ACROSS)
    down = -(-len(ranges) // across)
    score = _score(winner, trials)
    with mpl.rc_context(plots.STYLE):
        figure = Figure(figsize=(2.7 * across, 2.4 * down), layout="constrained")
        panels = figure.subplots(down, across, squeeze=False, sharey=True).flatten()
        for axes, (name, r) in zip(panels, ranges.items(), strict=False):
            for whole in (False, True):
                here = [t for t in trials if (t["epochs"] == base["epochs"]) == whole]
                x, y = [t["settings"][name] for t in here], [100 * t["score"] for t in here]
                axes.plot(x, y, "o", ms=4, color=plots.COLOURS[0], alpha=0.7 if whole else 0.2)
            if score is not None:
                axes.plot(winner[name], 100 * score, "*", ms=11, color=plots.COLOURS[1])
            if base["settings"][name] is not None:
                axes.axvline(base["settings"][name], color="#888888", lw=1, ls="--")
            axes.set_xscale("log" if r.log else "linear")
            axes.set_xlabel(name)
        for axes in panels[len(ranges) :]:
            axes.set_visible(False)
        for axes in panels[::across]:
            axes.set_ylabel("score, %")
        return plots.svg(figure)


def _listed(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in settings.items())
