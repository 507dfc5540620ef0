"""One self-contained page about what adaptations gain, by start models and pool."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from biasray.adaptation.guard import Expected
from biasray.report import adapt_guard
from biasray.report.adapt_guard import Foreseen
from biasray.report.adapt_map import phases
from biasray.report.adapt_rows import ACCURACY, CHOSEN, GAIN, MEAN, ORACLE, RATIO, START, Key, at
from biasray.report.results import Row


def render(
    rows: Sequence[Row],
    classes: Sequence[str],
    sizes: Mapping[str, int],
    guard: Mapping[Key, Foreseen],
    settings: Mapping[str, str],
    failed: Sequence[str],
    about: Mapping[str, Any],
) -> str:
    """HTML; `sizes` are images of each pool."""
    page = Environment(loader=PackageLoader("biasray.report", "."), undefined=StrictUndefined, autoescape=True)
    metrics, keys = _metrics(classes), _keys(rows)
    return page.get_template("adapt.html.j2").render(
        title="Adapting to images without labels",
        failed=failed,
        metrics=metrics,
        starts=[
            {
                "name": start,
                "seeds": at(rows, Key(start, "", START), ACCURACY, "seeds")["seeds"],
                "cells": [_cell(rows, Key(start, "", START), metric) for metric in metrics],
                "pools": [
                    {"name": pool, "n": f"{sizes[pool]:,}", "lines": [_line(rows, key, metrics, guard) for key in of]}
                    for pool in sizes
                    if (of := [key for key in keys if (key.start, key.pool) == (start, pool)])
                ],
            }
            for start in dict.fromkeys(key.start for key in keys)
        ],
        map=Markup(phases(rows, keys, guard)),
        guard=adapt_guard.table(rows, guard) if guard else [],
        correlation=adapt_guard.correlation(rows, guard),
        n=f"{rows[0]['n']:,}",
        known=min((seen.known for seen in guard.values()), default=0),
        settings=settings,
        about=about,
    )


def text(rows: Sequence[Row], classes: Sequence[str]) -> str:
    """The figures as a table."""
    lines = list[dict[str, str]]()
    for key in dict.fromkeys(shown for of in _keys(rows) for shown in (Key(of.start, "", START), of)):
        line = key._asdict()
        for metric in _metrics(classes):
            gain = "" if key.method == START else f" ({100 * at(rows, key, metric + GAIN, 'seeds')['value']:+.1f})"
            line[metric] = f"{100 * at(rows, key, metric, 'seeds')['value']:.1f}{gain}"
        lines.append(line)
    return str(pd.DataFrame(lines).to_string(index=False))


def outlook(guard: Mapping[Key, Foreseen]) -> str:
    """What is foreseen, as a table."""
    lines = [
        {
            **key._asdict(),
            "foreseen": seen.word,
            MEAN: _change(seen.accuracy),
            RATIO: _change(seen.ratio),
        }
        for key, seen in guard.items()
    ]
    return str(pd.DataFrame(lines).to_string(index=False))


def _change(expected: Expected) -> str:
    return f"{100 * expected.value:+.1f} ({100 * expected.low:.1f} to {100 * expected.high:.1f})"


def _metrics(classes: Sequence[str]) -> list[str]:
    return [ACCURACY, *(f"{ACCURACY}, {name}" for name in classes), RATIO]


def _keys(rows: Sequence[Row]) -> list[Key]:
    return list(dict.fromkeys(Key(r["start"], r["pool"], r["method"]) for r in rows if r["method"] != START))


def _line(rows: Sequence[Row], key: Key, metrics: Sequence[str], guard: Mapping[Key, Foreseen]) -> dict[str, Any]:
    seen = guard.get(key)
    return {
        "method": key.method + {CHOSEN: ", by validation", ORACLE: ", by the test images"}.get(key.method, ""),
        "foreseen": seen.word if seen else "",
        "expected": [f"mean {_change(seen.accuracy)}", f"ratio {_change(seen.ratio)}"] if seen else [],
        "because": seen.because if seen else (),
        "cells": [_cell(rows, key, metric) for metric in metrics],
    }


def _cell(rows: Sequence[Row], key: Key, metric: str) -> dict[str, Any]:
    both = [at(rows, key, metric, interval) for interval in ("images", "seeds")]
    gain = [] if key.method == START else [at(rows, key, metric + GAIN, interval) for interval in ("images", "seeds")]
    return {
        "value": f"{100 * both[0]['value']:.1f}",
        "spans": [_span(r) for r in both if r["low"] is not None],
        "gain": f"{100 * gain[0]['value']:+.1f}" if gain else "",
        "gains": [_span(r) for r in gain if r["low"] is not None],
        "clear": bool(gain) and all(r["low"] is not None and r["low"] * r["high"] > 0 for r in gain),
    }


def _span(row: Row) -> str:
    return f"{row['interval']} {100 * row['low']:.1f} to {100 * row['high']:.1f}"
