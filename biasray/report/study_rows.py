"""How far estimates of bias are from the truth: rows of results.json, and a table for the terminal."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from biasray.audit.adaptive import audited
from biasray.audit.figures import Target
from biasray.audit.study import PRIVATE, PUBLIC
from biasray.audit.trust import half_width
from biasray.metrics.clustered import flipped_p, over_clusters
from biasray.metrics.interval import holm
from biasray.random import rng
from biasray.report.results import Row

OURS = ("kernel", "chosen")  # what everything else is compared with
BASELINES = (PUBLIC, PRIVATE)
ERROR = "mean absolute error of the estimate"
REFUSED = "share of models that get no interval"
COVERED, HALF = "share of truths in the 90 % interval", "half of the 90 % interval"
FEWER = f"{COVERED}, from one architecture fewer"
STOPPED, STOPPED_ERROR = "answers until the interval is narrow enough", "mean absolute error of the estimate after them"
WITHIN: Mapping[Target, Sequence[float]] = {"age": (0.7, 0.5, 0.35), "gender": (0.4, 0.3, 0.25)}  # half of it


def rows(data: str, estimates: pd.DataFrame, target: Target) -> list[Row]:
    """The mean absolute error of each method, choice of images, figure and budget, and by how much it differs from ours.

    `estimates` has a row a reference, figure, budget, method, choice and draw, as `audit.study` makes them. Intervals and p,
    of a paired permutation test corrected for the number of methods (Holm), are over clusters of references: those of one
    architecture and one mixture of groups are alike. Of several draws of images a reference has the mean error.
    """
    off = estimates.assign(refused=estimates["refused"].astype(float), off=(estimates["estimate"] - estimates["truth"]).abs())
    off["cluster"], off["held"] = off["network"] + off["bias"], (off["off"] <= off["half"]).astype(float)
    in_turn = off["choice"] == "in turn"
    out = stopped(data, off[in_turn], WITHIN[target]) if in_turn.any() else []
    off = off[~in_turn | off["budget"].isin(off["budget"][~in_turn])]
    for (figure, budget), all_here in off.groupby(["figure", "budget"], sort=False):
        here = all_here[all_here["game"] == ""]
        means = {way: _by_reference(mine) for way, mine in here.groupby(["method", "choice"], sort=False)}
        ours = means.get(OURS)
        drawn = {way: rng("study", figure, int(budget), *way) for way in means}
        p = {}
        if ours is not None:
            others = [way for way in means if way != OURS]
            tested = [flipped_p((means[way]["off"] - ours["off"]).to_numpy(), ours["cluster"], drawn[way]) for way in others]
            p = dict(zip(others, holm(tested), strict=True))
        for way, mine in means.items():
            row = {
                "data": data, "method": way[0], "setting": f"{way[1]}, {budget} images", "choice": way[1],
                "budget": int(budget), "metric": ERROR, "group": figure, "interval": "references", "n": len(mine),
                "seeds": int(mine["draws"].max()),
            }  # fmt: skip
            out.append({**row, **_spread(mine["off"], mine["cluster"], drawn[way])})
            if ours is not None and way != OURS:
                more = mine["off"] - ours["off"]
                out.append({**row, "metric": f"{ERROR} minus ours", "p": p[way], **_spread(more, mine["cluster"], drawn[way])})
            if way[1] != "random" and np.isfinite((wide := _widened(mine))["half"]).all():
                out += _trusted(row, wide, drawn[way])
            if np.isfinite(mine["half"]).all():
                out.append({**row, "metric": FEWER, **_spread(mine["held"], mine["cluster"], drawn[way])})
            tampered = all_here[(all_here["method"] == way[0]) & (all_here["choice"] == way[1])]
            if way[1] == "chosen":
                out += _played(row, tampered, drawn[way])
    return out


def stopped(data: str, in_turn: pd.DataFrame, widths: Sequence[float]) -> list[Row]:
    """How many answers it takes when each image is chosen by the answers before it, and whether the intervals hold then."""
    out = list[Row]()
    signed = in_turn.assign(off=in_turn["estimate"] - in_turn["truth"])
    for within in widths:
        ended = audited(signed, within)
        ended["cluster"], ended["held"] = ended["network"] + ended["bias"], (ended["off"].abs() <= ended["half"]).astype(float)
        for figure, mine in ended.groupby("figure", sort=False):
            row = {
                "data": data, "method": "local", "setting": f"in turn, within {within:g}", "choice": "in turn",
                "within": within, "budget": None, "group": figure, "interval": "references", "n": len(mine), "seeds": 1,
            }  # fmt: skip
            drawn = rng("study", str(figure), str(within))
            out.append({**row, "metric": STOPPED, **_spread(mine["budget"], mine["cluster"], drawn)})
            out.append({**row, "metric": STOPPED_ERROR, **_spread(mine["off"].abs(), mine["cluster"], drawn)})
            out.append({**row, "metric": REFUSED, **_spread(mine["refused"].astype(float), mine["cluster"], drawn)})
            if np.isfinite(mine["half"]).all():
                out += _trusted(row, mine, drawn)
    return out


def _widened(mine: pd.DataFrame) -> pd.DataFrame:
    """With half of the interval from the errors on the other architectures, each told without references of its own."""
    half = dict[str, float]()
    for name in mine["network"].unique():
        others = mine[mine["network"] != name]
        half[name] = half_width(others["off"].to_numpy(), others["network"]) if len(others) else np.inf
    half_M = mine["network"].map(half)
    return mine.assign(half=half_M, held=(mine["off"] <= half_M).astype(float))


def _trusted(row: Row, mine: pd.DataFrame, drawn: np.random.Generator) -> list[Row]:
    """How often the intervals hold the truth, for all architectures and for each, and how wide they are."""
    parts = {row["group"]: mine, **{f"{row['group']}, {name}": part for name, part in mine.groupby("network")}}
    held = [
        {**row, "metric": COVERED, "group": group, "n": len(part), **_spread(part["held"], part["cluster"], drawn)}
        for group, part in parts.items()
    ]
    return [*held, {**row, "metric": HALF, **_spread(mine["half"], mine["cluster"], drawn)}]


def _played(row: Row, tampered: pd.DataFrame, drawn: np.random.Generator) -> list[Row]:
    """The error where answers were tampered with, and how often that is noticed: how often no interval is given."""
    out = list[Row]()
    for game, part in tampered.groupby("game", sort=False):
        mine = _by_reference(part)
        parts = {REFUSED: "refused", **({ERROR: "off"} if game else {})}
        for metric, column in parts.items():
            told = f"{metric}, {game}" if game else metric
            out.append({**row, "metric": told, **_spread(mine[column], mine["cluster"], drawn)})
    return out


def _by_reference(mine: pd.DataFrame) -> pd.DataFrame:
    """A row a reference: its mean error, its cluster, and the number of draws."""
    grouped = mine.groupby("id")
    same = {name: (name, "first") for name in ("cluster", "network", "half")}
    means = {name: (name, "mean") for name in ("off", "held", "refused")}
    return grouped.agg(**means, draws=("off", "size"), **same)


def _spread(value_R: pd.Series, cluster_R: pd.Series, drawn: np.random.Generator) -> dict[str, float | None]:
    interval = over_clusters(value_R.to_numpy(), cluster_R, drawn)
    low, high = (None if np.isnan(end) else end for end in (interval.low, interval.high))
    return {"value": float(value_R.mean()), "low": low, "high": high}


def text(found: Sequence[Row]) -> str:
    """A table a figure: a line a method, a column a budget."""
    parts = []
    for figure in dict.fromkeys(r["group"] for r in found if r["metric"] == ERROR):
        mine = [r for r in found if r["group"] == figure and r["metric"] == ERROR]
        table = pd.DataFrame({"method": called(r), "images": r["budget"], "error": spelt(r)} for r in mine)
        wide = table.pivot_table("error", "method", "images", "first", sort=False, fill_value="")
        held = [r for r in found if r["group"] == figure and r["metric"] == COVERED and (r["method"], r["choice"]) == OURS]
        covered = ", ".join(f"{r['budget']} images {100 * r['value']:.0f} %" for r in held)
        end = f"\nTruths in the 90 % interval of kernel, chosen: {covered}" if held else ""
        said = "".join(f"\n{worth(found, figure, b)}" for b in sorted(wide)[-1:] if worth(found, figure, b))
        parts.append(f"{figure}: {ERROR} (95 % over references)\n{wide[sorted(wide)].to_string()}{end}{said}")
    return "\n\n".join(parts)


def worth(found: Sequence[Row], figure: str, budget: int) -> str:
    """How many annotated images tell as much as so many answers, in a sentence; nothing where that is not known.

    The error of a simple random sample falls as 1 / sqrt(n), so those that are leaked may be more than were drawn.
    """
    mine = [r for r in found if (r["group"], r["metric"]) == (figure, ERROR)]
    ours = [r["value"] for r in mine if ((r["method"], r["choice"]), r["budget"]) == (OURS, budget)]
    leaked = [r["value"] ** 2 * r["budget"] for r in mine if r["method"] == PRIVATE]
    if not ours or not leaked:
        return ""
    public = sorted((r["budget"], r["value"]) for r in mine if r["method"] == PUBLIC)
    enough = next((f"{n:,}" for n, value in public if value <= ours[0]), f"more than {public[-1][0]:,}" if public else "")
    end = f", and as much as {enough} annotated public ones" if enough else ""
    return f"{budget} answers tell as much as some {np.mean(leaked) / ours[0] ** 2:,.0f} leaked private images{end}."


def called(row: Row) -> str:
    return str(row["method"]) if row["method"] in BASELINES else f"{row['method']}, {row['choice']}"


def spelt(row: Row) -> str:
    interval = "" if row["low"] is None else f" ({row['low']:.3f} to {row['high']:.3f})"
    return f"{row['value']:.3f}{interval}"
