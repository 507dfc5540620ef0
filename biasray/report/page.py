"""One self-contained page about a comparison."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from biasray import methods
from biasray.bias.task import Prepared
from biasray.data.dataset import Images
from biasray.metrics import exposure
from biasray.report import discovery, discovery_plots, headline, plots, published, thumbnails
from biasray.report.results import BASELINE, Row

Fields = Mapping[str, Any]  # an experiment as config.json holds it
SELECT = {"last": "the last", "accuracy": "the best validation accuracy", "worst-group": "the best worst group"}
SMALL = 10  # a group with fewer test examples is named as such
LISTED = 8  # files that were set aside


def render(
    rows: Sequence[Row],
    cells: Sequence[Fields],
    done: Sequence[dict[str, Any]],
    prepared: Prepared,
    pictures: Mapping[tuple[int, int], Images],
    set_aside: Sequence[tuple[str, str]],
    failed: Sequence[str],
    about: dict[str, Any],
) -> str:
    """HTML of a comparison.

    Its rows; its cells in order with what each left; the first seed's tables, with `pictures` of each cell (target,
    bias) of training; files that the import set aside; methods that failed, of which it has no rows.
    """
    names, first, task = list(dict.fromkeys(e["called"] for e in cells)), cells[0], cells[0]["task"]
    groups = [f"{t}, {b}" for t in prepared.targets for b in prepared.biases]
    history = {m: [d["history"] for e, d in zip(cells, done, strict=True) if e["called"] == m] for m in names}
    chosen = headline.columns(rows)
    column = published.column(first["data_name"], task, prepared.share)
    paper = published.figures(column) if column else {}
    small = sorted({r["group"] for r in rows if r["metric"] == "accuracy" and r["n"] < SMALL})
    page = Environment(loader=PackageLoader("biasray.report", "."), undefined=StrictUndefined, autoescape=True)
    two = len(prepared.biases) == 2
    return page.get_template("page.html.j2").render(
        title=f"Debiasing {task['target']} from {task['bias']} on {first['data_name']}",
        lead=_lead(first, prepared),
        columns=[headline.title(c) for c in chosen],
        table=[(m, [(headline.cell(rows, m, c), paper.get((m, c))) for c in chosen]) for m in names],
        paper=column,
        informed=list(dict.fromkeys(e["called"] for e in cells if methods.informed(e["method"]))),
        seeds=rows[0]["seeds"],
        n=f"{len(prepared.tables['test']):,}",
        bias_note="Model bias is the mean over targets of "
        + ("the difference between the two bias groups' accuracies." if two else "average minus worst group accuracy."),
        bias_plot=Markup(plots.dots(rows, names, "model_bias", "model bias, % (thick: examples, thin: seeds)")),
        plane_plot=Markup(plots.plane(rows, names, "model_bias", "group_average")),
        aligned_plot=Markup(plots.accuracies(rows, names, ("aligned", "conflicting"))) if prepared.aligned else None,
        group_plot=Markup(
            plots.accuracies(rows, names, groups)
            if len(groups) <= plots.FEW
            else plots.maps(rows, names, prepared.targets, prepared.biases)
        ),
        small=", ".join(small[:12]) + (f" and {len(small) - 12} more groups" if len(small) > 12 else ""),
        small_n=SMALL,
        curve_plot=Markup(plots.curves(history)),
        validation="has the agreement of training" if task['validation'] == "biased" else "has every group equally often",
        select=SELECT[first['select']],
        exposed=_exposed(rows, paper),
        exposed_plot=_markup(discovery_plots.found(history, prepared.cells("train"))),
        loss_plot=_markup(discovery_plots.losses(history)),
        biasing=_biasing(task, prepared),
        cells=[(s, list(zip(prepared.targets, prepared.cells(s).tolist(), strict=True))) for s in ("train", "test")],
        biases=prepared.biases,
        thumbnails=_thumbnails(prepared, pictures),
        set_aside=set_aside,
        set_aside_most=LISTED,
        limits=_limits(rows, first, prepared, small, failed),
        aligned=prepared.aligned,
        first_seed=first['seed'],
        settings=_settings(cells, done, names),
        about=about,
        data_name=first['data_name'],
        checksum=first['data_checksum'],
    )  # fmt: skip


def _markup(svg: str | None) -> Markup | None:
    return None if svg is None else Markup(svg)


def _exposed(rows: Sequence[Row], paper: Mapping[tuple[str, str], float]) -> dict[str, Any]:
    """Columns, and a line for each network that was to learn the bias: method, network, cells."""
    early = f"bias_accuracy after epoch {discovery.EARLY}"
    titles = {**exposure.TITLES, early: f"{exposure.TITLES['bias_accuracy']} after epoch {discovery.EARLY}"}
    networks = list(dict.fromkeys((r["method"], r["group"]) for r in rows if r["metric"] in titles))
    columns = [metric for metric in titles if any(r["metric"] == metric for r in rows)]
    lines = [
        (m, network, [(headline.cell(rows, m, metric, network), paper.get((m, metric))) for metric in columns])
        for m, network in networks
    ]
    return {"columns": [titles[metric] for metric in columns], "lines": lines}


def _thumbnails(prepared: Prepared, pictures: Mapping[tuple[int, int], Images]) -> list[tuple[str, str]]:
    """Caption and image of each cell, or of all cells where they are many."""
    targets, biases = len(prepared.targets), len(prepared.biases)
    if targets * biases > plots.FEW:
        return [("One example of each cell: targets down, bias values across.", thumbnails.matrix(pictures, targets, biases))]
    n_TB = prepared.cells("train")
    return [
        (f"{prepared.targets[t]}, {prepared.biases[b]}: {n_TB[t, b]:,}", thumbnails.row(pictures[t, b]))
        for t, b in np.ndindex(n_TB.shape)
        if n_TB[t, b]
    ]


def _limits(rows: Sequence[Row], first: Fields, prepared: Prepared, small: Sequence[str], failed: Sequence[str]) -> list[str]:
    """What a reader must not take from this page, a sentence each."""
    task, seeds = first["task"], rows[0]["seeds"]
    found = [f"{method} failed and is not shown: it did not end with all its seeds." for method in failed]
    chance = 1 / len(prepared.targets)
    averages = [r for r in rows if (r["metric"], r["group"], r["interval"]) == ("group_average", "all", "seeds")]
    if guessing := [r["method"] for r in averages if r["low"] is not None and r["low"] <= chance]:
        found.append(
            f"By its interval over seeds the group average of {', '.join(guessing)} may be no better than chance "
            f"({100 * chance:g} %): low bias means nothing there."
        )
    if first["data_name"] == "drawn-faces":
        found.append("These faces are drawn by a program, not photographed: nothing here says how a model treats people.")
    if seeds < 5:
        found.append(f"{seeds} seed{'s' * (seeds > 1)} say little about how much another training would differ.")
    found.append(
        "The bias was made by choosing or colouring examples, so it is stronger and cleaner than what data have of themselves."
        if task["agreement"] is not None
        else "What correlates with the bias attribute in these data is not controlled for."
    )
    if task["align"]:
        rest = ", ".join(prepared.biases)
        found.append(f"Bias values were merged into {rest}: differences within one of these are not shown.")
    if small:
        found.append(
            f"{len(small)} groups have fewer than {SMALL} test examples; the worst of many small groups is a noisy figure."
        )
    if task["validation"] == "biased":
        found.append("Validation is as biased as training: a curve that rises there need not mean a fairer model.")
    found.append("Identical images are kept on one side of a split; two different photographs of one person may not be.")
    return found


def _lead(first: Fields, prepared: Prepared) -> str:
    task = first["task"]
    share = "the data as they are" if task["agreement"] is None else f"agreement {task['agreement']:g}"
    return (
        f"Classifiers of {len(prepared.targets)} targets trained on {len(prepared.tables['train']):,} examples with {share} "
        f"between {task['target']} and {task['bias']}; {first['network']}, {first['precision']}."
    )


def _biasing(task: Fields, prepared: Prepared) -> str:
    if task["colour_std"] is not None:
        jitter = f"jitter: standard deviation {task['colour_std']:g}"
        how = f"Each grey image is multiplied by a colour of the {task['palette']} palette ({jitter})"
    elif task["agreement"] is not None:
        how = "Examples were chosen at random from the data set, as many of every target"
    else:
        how = "Nothing was changed: the training split is as it came"
    pairs = (
        ", ".join(f"{t} with {b}" for t, b in zip(prepared.targets, prepared.biases, strict=False)) if prepared.aligned else ""
    )
    share = f", so that a share {task['agreement']:g} is aligned ({pairs})" if task["agreement"] is not None else ""
    test = "every group equally often, the same for all seeds" if task["test"] == "balanced" else "the groups as they came"
    return f"{how}{share}. The test split has {test}."


def _settings(cells: Sequence[Fields], done: Sequence[dict[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    out = []
    seconds_of = {m: [d["seconds"] for c, d in zip(cells, done, strict=True) if c["called"] == m] for m in names}
    baseline = sum(seconds_of.get(BASELINE, []))
    for m in names:
        e = next(e for e in cells if e["called"] == m)
        seconds, memory = seconds_of[m], [d["memory"] for c, d in zip(cells, done, strict=True) if c["called"] == m]
        r = e["recipe"]
        extra = f", weight decay {r['weight_decay']:g}" if r["weight_decay"] else ""
        out.append(
            {
                "method": m,
                "fields": ", ".join(f"{k} {v:g}" if isinstance(v, float) else f"{k} {v}" for k, v in e["settings"].items())
                or "none",
                "optimiser": f"{r['optimiser']} {r['lr']:g}, batch {r['batch']}{extra}",
                "epochs": e["epochs"],
                "seconds": f"{sum(seconds) / len(seconds):.0f}" + (f" ({sum(seconds) / baseline:.1f} x)" if baseline else ""),
                "memory": f"{max(memory) / 1e6:,.0f}",
            }
        )
    return out
