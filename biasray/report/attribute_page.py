"""One self-contained page about where images show attributes, and about trainings on images that hide one."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from biasray.attribution.regions import Grid
from biasray.data.dataset import Images
from biasray.metrics.calibration import BINS
from biasray.report import attribute_plots, robust_plots, thumbnails
from biasray.report.attribute_rows import CORRELATION, Mapped
from biasray.report.results import Row
from biasray.report.robust_rows import BALANCED, ORIGINAL, closed


class Robust(NamedTuple):
    """Trainings on hidden regions."""

    rows: Sequence[Row]
    target: str
    targets: tuple[str, ...]
    confounder: str
    said: str  # which sets were learnt from
    chosen: Mapping[str, str]  # by kind of hiding the setting that validation prefers
    pictures: Mapping[str, Images]  # by setting some training images


class Shown(NamedTuple):
    """What the page is made from besides the rows."""

    found: Sequence[Mapped]
    image_NHWC: Images
    grid: Grid
    confidence: str
    settings: Mapping[str, str]  # by attribute
    robust: Robust | None


def render(rows: Sequence[Row], shown: Shown, failed: Sequence[str], about: Mapping[str, Any]) -> str:
    """HTML; `rows` are those of `attribute_rows`."""
    page = Environment(loader=PackageLoader("biasray.report", "."), undefined=StrictUndefined, autoescape=True)
    metrics = list(dict.fromkeys(r["metric"] for r in rows))
    at = {(r["setting"], r["metric"]): _cell(r) for r in rows}
    names = [one.attribute for one in shown.found]
    return page.get_template("attribute.html.j2").render(
        title=f"Where images show {', '.join(names)}",
        lead="A classifier tells an attribute of the whole image from one patch; where it can be sure, the image shows it.",
        failed=failed,
        robust=shown.robust and _robust(shown.robust),
        means=Markup(attribute_plots.means(shown.found, shown.image_NHWC.mean(0) / 255)),
        examples=Markup(attribute_plots.examples(shown.found, shown.image_NHWC[:8])),
        reliabilities=Markup(attribute_plots.reliabilities(shown.found)),
        n=f"{len(shown.image_NHWC):,}",
        confidence=shown.confidence,
        places=f"{shown.grid.across} x {shown.grid.across}",
        patch=shown.grid.patch,
        metrics=metrics,
        lines=[(name, [at.get((name, metric)) for metric in metrics]) for name in names],
        bins=BINS,
        drawn=any(one.shown_NHW is not None for one in shown.found),
        settings=shown.settings,
        about=about,
    )


def _cell(row: Row) -> dict[str, str]:
    scale, places = (1, 3) if row["metric"] == CORRELATION else (100, 1)
    value, low, high = (None if x is None else f"{scale * x:.{places}f}" for x in (row["value"], row["low"], row["high"]))
    return {"value": f"{value}", "span": f"{low} to {high}" if low else ""}


def _robust(of: Robust) -> dict[str, Any]:
    settings = [ORIGINAL, BALANCED, *of.chosen.values()]
    metrics = list(dict.fromkeys(r["metric"] for r in of.rows if " minus " not in r["metric"]))
    at: dict[tuple[str, str, str], list[Row]] = {}
    for r in of.rows:
        at.setdefault((r["method"], r["setting"], r["metric"]), []).append(r)
    methods, lines = list(dict.fromkeys(r["method"] for r in of.rows)), []
    for method in methods:
        for setting in settings:
            cells = []
            for metric in metrics:
                by_examples, by_seeds = at[method, setting, metric]
                change = at.get((method, setting, f"{metric} minus {ORIGINAL}"), [])
                known = [r for r in (by_examples, by_seeds) if r["low"] is not None]
                cells.append(
                    {
                        "value": f"{100 * by_seeds['value']:.1f}",
                        "spans": [f"{r['interval']} {100 * r['low']:.1f} to {100 * r['high']:.1f}" for r in known],
                        "change": f"{100 * change[1]['value']:+.1f}" if change else "",
                        "clear": bool(change) and all(r["low"] is not None and r["low"] * r["high"] > 0 for r in change),
                    }
                )
            share = "" if setting == ORIGINAL else f"{100 * closed(of.rows, method, setting):.0f} %"
            lines.append((method, setting, cells, share))
    first = [r for r in of.rows if r["method"] == methods[0]]
    return {
        "target": of.target,
        "confounder": of.confounder,
        "said": of.said,
        "metrics": metrics,
        "lines": lines,
        "seeds": of.rows[0]["seeds"],
        "tested": f"{of.rows[0]['n']:,}",
        "strategies": Markup(robust_plots.strategies(first, settings, of.targets)),
        "quantiles": Markup(robust_plots.quantiles(first, list(of.chosen), of.targets)),
        "pictures": [(name, thumbnails.row(image_EHWC)) for name, image_EHWC in of.pictures.items()],
    }
