"""One self-contained page about how often a value is shown over the years."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from biasray.report.plots import COLOURS, STYLE, svg
from biasray.report.results import Row
from biasray.report.time_rows import CHANGE, CORRECTED, SAID

ACROSS = 3  # programmes beside one another


def render(rows: Sequence[Row], of: str, target: str, measured: str, left_out: Sequence[str], about: Mapping[str, Any]) -> str:
    """HTML. `measured` says where the classifier's errors are known from."""
    page = Environment(loader=PackageLoader("biasray.report", "."), undefined=StrictUndefined, autoescape=True)
    programmes = list(dict.fromkeys(r["programme"] for r in rows))
    at = {(r["programme"], r["year"], r["metric"]): r for r in rows}
    years = sorted({(r["programme"], r["year"]) for r in rows})
    return page.get_template("time.html.j2").render(
        title=f"{target}: the share of {of} over the years",
        plot=Markup(_lines(rows, programmes, of)),
        changes=[{"programme": r["programme"], "text": _points(r)} for r in rows if r["metric"] == CHANGE],
        lines=[
            {
                "programme": programme,
                "year": year,
                "n": f"{at[programme, year, SAID]['n']:,}",
                "days": at[programme, year, SAID]["days"],
                "said": _share(at[programme, year, SAID]),
                "corrected": _share(at[programme, year, CORRECTED]),
            }
            for programme, year in years
        ],
        of=of,
        measured=measured,
        left_out=left_out,
        about=about,
    )


def _share(row: Row) -> str:
    span = "" if row["low"] is None else f" ({100 * row['low']:.1f} to {100 * row['high']:.1f})"
    return f"{100 * row['value']:.1f}{span}"


def _points(row: Row) -> str:
    span = "" if row["low"] is None else f" ({100 * row['low']:+.1f} to {100 * row['high']:+.1f})"
    return f"{100 * row['value']:+.1f}{span}"


def _lines(rows: Sequence[Row], programmes: Sequence[str], of: str) -> str:
    """A panel a programme: what is said, and what is left when it is corrected, with its band."""
    down = -(-len(programmes) // ACROSS)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(2.9 * min(ACROSS, len(programmes)) + 0.4, 2.2 * down + 0.3), layout="constrained")
        panels = figure.subplots(down, min(ACROSS, len(programmes)), squeeze=False, sharex=True, sharey=True)
        for axes in panels.flat[len(programmes) :]:
            axes.axis("off")
        for axes, programme in zip(panels.flat, programmes, strict=False):
            for metric, colour, style in ((SAID, "#888888", "--"), (CORRECTED, COLOURS[0], "-")):
                mine = [r for r in rows if (r["programme"], r["metric"]) == (programme, metric)]
                year = [r["year"] for r in mine]
                axes.plot(year, [100 * r["value"] for r in mine], style, color=colour, marker="o", ms=3, lw=1.2, label=metric)
                if metric == CORRECTED:
                    low, high = ([np.nan if r[end] is None else 100 * r[end] for r in mine] for end in ("low", "high"))
                    axes.fill_between(year, low, high, color=colour, alpha=0.2, lw=0)
            axes.axhline(50, color="#888888", lw=0.8, ls=":")
            axes.set_title(programme, fontsize=9)
            axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(integer=True, nbins=5))
        panels[0, 0].set_ylabel(f"{of}, %")
        panels[0, 0].legend(fontsize=7, frameon=False)
        return svg(figure)
