"""One self-contained page about what adaptations gain, by pool."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from biasray.report.adapt_rows import ACCURACY, GAIN, RATIO, START, at
from biasray.report.plots import STYLE, svg
from biasray.report.results import Row


def render(
    rows: Sequence[Row],
    classes: Sequence[str],
    sizes: Mapping[str, int],
    settings: Mapping[str, str],
    failed: Sequence[str],
    about: Mapping[str, Any],
) -> str:
    """HTML; `sizes` are images of each pool."""
    page = Environment(loader=PackageLoader("biasray.report", "."), undefined=StrictUndefined, autoescape=True)
    pools, metrics = _pools(rows), _metrics(classes)
    return page.get_template("adapt.html.j2").render(
        title="Adapting to images without labels",
        failed=failed,
        metrics=metrics,
        start=[_cell(rows, "", START, metric) for metric in metrics],
        pools=[
            {
                "name": pool,
                "n": f"{sizes[pool]:,}",
                "lines": [(m, [_cell(rows, pool, m, metric) for metric in metrics]) for m in _methods(rows, pool)],
            }
            for pool in pools
        ],
        map=Markup(_map(rows, pools)),
        n=f"{rows[0]['n']:,}",
        seeds=rows[0]["seeds"],
        settings=settings,
        about=about,
    )


def text(rows: Sequence[Row], classes: Sequence[str]) -> str:
    """The figures as a table."""
    lines = []
    pairs = [(of, method) for of in _pools(rows) for method in _methods(rows, of)]
    for pool, method in [("", START), *pairs]:
        line = {"pool": pool, "method": method}
        for metric in _metrics(classes):
            gain = "" if method == START else f" ({100 * at(rows, pool, method, metric + GAIN, 'seeds')['value']:+.1f})"
            line[metric] = f"{100 * at(rows, pool, method, metric, 'seeds')['value']:.1f}{gain}"
        lines.append(line)
    return str(pd.DataFrame(lines).to_string(index=False))


def _metrics(classes: Sequence[str]) -> list[str]:
    return [ACCURACY, *(f"{ACCURACY}, {name}" for name in classes), RATIO]


def _pools(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(r["pool"] for r in rows if r["method"] != START))


def _methods(rows: Sequence[Row], pool: str) -> list[str]:
    return list(dict.fromkeys(r["method"] for r in rows if r["pool"] == pool and r["method"] != START))


def _cell(rows: Sequence[Row], pool: str, method: str, metric: str) -> dict[str, Any]:
    both = [at(rows, pool, method, metric, interval) for interval in ("images", "seeds")]
    gain = [] if method == START else [at(rows, pool, method, metric + GAIN, interval) for interval in ("images", "seeds")]
    return {
        "value": f"{100 * both[0]['value']:.1f}",
        "spans": [_span(r) for r in both if r["low"] is not None],
        "gain": f"{100 * gain[0]['value']:+.1f}" if gain else "",
        "gains": [_span(r) for r in gain if r["low"] is not None],
        "clear": bool(gain) and all(r["low"] is not None and r["low"] * r["high"] > 0 for r in gain),
    }


def _span(row: Row) -> str:
    return f"{row['interval']} {100 * row['low']:.1f} to {100 * row['high']:.1f}"


def _map(rows: Sequence[Row], pools: Sequence[str]) -> str:
    """Gain in accuracy and in the ratio, a column a pool and a row a way to adapt: when it works."""
    methods = list(dict.fromkeys(m for pool in pools for m in _methods(rows, pool)))
    with mpl.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(3.4 + 1.6 * len(pools), 1.0 + 0.3 * len(methods)), layout="constrained")
        for axes, metric in zip(figure.subplots(1, 2, sharey=True), (ACCURACY, RATIO), strict=True):
            gain_MP = np.full((len(methods), len(pools)), np.nan)
            for p, pool in enumerate(pools):
                for method in _methods(rows, pool):
                    gain_MP[methods.index(method), p] = 100 * at(rows, pool, method, metric + GAIN, "seeds")["value"]
            most = max(1.0, float(np.nanmax(np.abs(gain_MP))))
            axes.imshow(gain_MP, cmap="RdBu", vmin=-most, vmax=most, aspect="auto")
            for (m, p), gain in np.ndenumerate(gain_MP):
                axes.text(p, m, f"{gain:+.1f}" if gain == gain else "", ha="center", va="center", fontsize=7)
            axes.set_xticks(range(len(pools)), pools, rotation=25, ha="right", fontsize=7)
            axes.set_yticks(range(len(methods)), methods, fontsize=7)
            axes.set_title(f"gain in {metric}, points", fontsize=9)
        return svg(figure)
