"""The few figures of a comparison that are read first, as a table for the terminal and for the page."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from biasray import metrics
from biasray.report.results import Row

COLUMNS = ("group_average", "worst_group", "model_bias")
COMPARED = ("group_average", "model_bias")  # also as differences from a baseline


class Cell(NamedTuple):
    value: str
    seeds: str  # interval over seeds
    examples: str  # interval over examples
    clear: bool  # a difference whose interval over seeds does not hold 0
    p: str | None  # of a difference, corrected for the number of methods


def title(metric: str) -> str:
    """The metric's own title, of a difference too."""
    name, minus, baseline = metric.partition(" minus ")
    return metrics.found()[name].title + minus + baseline


def columns(rows: Sequence[Row]) -> list[str]:
    present = list(dict.fromkeys(row["metric"] for row in rows))
    differences = [f"{name} minus" for name in COMPARED]
    return [
        *(name for name in COLUMNS if name in present),
        *(metric for name in differences for metric in present if metric.startswith(name)),
    ]


def cell(rows: Sequence[Row], method: str, metric: str, group: str = "all") -> Cell | None:
    """In per cent; None where the method has no such figure, as the baseline has no difference from itself."""
    found = {r["interval"]: r for r in rows if (r["method"], r["metric"], r["group"]) == (method, metric, group)}
    if not found:
        return None
    over_seeds = found["seeds"]
    low, high = over_seeds["low"], over_seeds["high"]
    clear = " minus " in metric and low is not None and (high < 0 or low > 0)
    p = over_seeds.get("p")
    return Cell(f"{100 * over_seeds['value']:.1f}", span(over_seeds), span(found["examples"]), clear, p and f"{p:.2g}")


def span(row: Row) -> str:
    """An interval in per cent; one seed has none."""
    if row["low"] is None:
        return "one seed"
    return f"{100 * row['low']:.1f} to {100 * row['high']:.1f}"


def markdown(lines: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table, the first its head."""
    widths = [max(len(line[k]) for line in lines) for k in range(len(lines[0]))]
    drawn = ["| " + " | ".join(v.ljust(w) for v, w in zip(line, widths, strict=True)) + " |" for line in lines]
    return [drawn[0], "| " + " | ".join("-" * w for w in widths) + " |", *drawn[1:]]


def text(rows: Sequence[Row], published: Mapping[tuple[str, str], float]) -> str:
    """A table in Markdown: value and interval over seeds, in per cent, with what is published by method and metric."""
    chosen = columns(rows)
    seeds, n = rows[0]["seeds"], next(r["n"] for r in rows if r["group"] == "all")
    lines = [["method", *map(title, chosen)]]
    for method in dict.fromkeys(r["method"] for r in rows):
        line = [method]
        for metric in chosen:
            c, paper = cell(rows, method, metric), published.get((method, metric))
            told = [] if c is None else [c.seeds, *([f"p {c.p}"] if c.p else []), *([f"paper {paper}"] if paper else [])]
            line.append(f"{c.value} ({'; '.join(told)})" if c else "")
        lines.append(line)
    drawn = markdown(lines)
    has_p = any(r.get("p") is not None for r in rows)
    tested = "; p: paired t test over seeds, corrected for the number of methods (Holm)" if has_p else ""
    return "\n".join([*drawn, f"\nPer cent, mean and 95 % interval over {seeds} seeds; n = {n:,} test examples{tested}."])
