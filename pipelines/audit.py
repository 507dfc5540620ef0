"""Estimate the bias of a black box on data that it never sees, from a few answers."""

import io
import time
from dataclasses import dataclass
from typing import Annotated, Any, Literal, final

import numpy as np
import pandas as pd
import tyro
from PIL import Image

from biasray import storage
from biasray.audit import estimators, journal, kit
from biasray.audit.asking import AGAIN, ask, read_again
from biasray.audit.journal import Journal
from biasray.audit.kit import Kit
from biasray.audit.reading import Reading
from biasray.audit.study import Fit, half_widths, order
from biasray.audit.targets.exported import exported
from biasray.audit.targets.http import Http
from biasray.audit.targets.local import Seen, onnx, weights
from biasray.audit.targets.recorded import Recorded
from biasray.audit.targets.target import Probe, Target
from biasray.audit.verdict import Verdict, judge
from biasray.report import audit_page
from biasray.report.audit_page import UNITS, shown
from pipelines.cli import about, run
from pipelines.place import refuse_relative
from pipelines.references import References, asked_about, sources, told
from pipelines.study import Study, study

STEPS = (10, 20, 40, 80, 160, 320, 640)  # numbers of answers for which intervals are calibrated
JOURNAL, RESULTS, REPORT = "journal.jsonl", "results.json", "report.html"


@final
@dataclass(frozen=True, kw_only=True)
class Prepare(References):
    """Make the kit of an audit: the images to ask about, and what the references answered to them.

    It holds no private image and no private label; of the private data it holds the bias of each reference.
    """

    budget: int = 80
    """Images to ask about, at most."""
    estimator: str = "kernel"
    """kernel, stress or ridge."""
    out: str
    """Folder or URI of the kit."""


@final
@dataclass(frozen=True, kw_only=True)
class Run:
    """Ask a black box about the images of a kit, and estimate its bias.

    Each answer is in the journal before the next question goes out. The same command again goes on where it stopped, and asks
    nothing twice.
    """

    kit: str
    """Folder or URI of the kit."""
    black_box: str
    """http://..., answers.csv, model.pt2, model.onnx, or weights.safetensors:NETWORK."""
    budget: int | None = None
    """Questions, at most. Default: all images of the kit."""
    repeats: int = 0
    """How many of them ask a second time about the first images, to catch a model that changes its mind."""
    reading: Reading = Reading()
    seen: Seen = Seen()
    form: Literal["json", "multipart"] = "json"
    """How an image goes over HTTP: as base64 in JSON, or as the file of a form."""
    timeout: float = 30.0
    """Seconds to wait for an answer over HTTP."""
    tries: int = 8
    """Of one question over HTTP."""
    every: float = 0.0
    """Seconds between two questions over HTTP, at least."""
    out: str
    """Folder of the journal and the results, on this machine."""


@final
@dataclass(frozen=True, kw_only=True)
class Replay:
    """Read the journal of an audit, see that nothing in it was changed, and estimate anew, offline."""

    kit: str
    """Folder or URI of the kit."""
    journal: str
    """The journal that `run` wrote."""
    reading: Reading = Reading()


Config = (
    Annotated[Prepare, tyro.conf.subcommand("prepare")]
    | Annotated[Run, tyro.conf.subcommand("run")]
    | Annotated[Replay, tyro.conf.subcommand("replay")]
    | Annotated[Study, tyro.conf.subcommand("study")]
)


def main(config: Prepare | Run | Replay | Study) -> None:
    match config:
        case Prepare():
            prepare(config)
        case Run():
            audit(config)
        case Replay():
            replay(config)
        case Study():
            study(config)


def prepare(config: Prepare) -> str:
    """Returns the checksum of the kit."""
    refuse_relative("--out", config.out)
    estimators.known(config.estimator)
    if config.budget < STEPS[0] or config.budget > config.candidates:
        raise ValueError(f"--budget {config.budget}: give {STEPS[0]} to the number of --candidates, {config.candidates:,}.")
    if storage.exists(storage.join(config.out, kit.KIT)):
        raise ValueError(f"{config.out} holds a kit already; give another --out.")
    zoos, read = sources(config)
    asked_about(config, zoos)
    scratch = f"runs/references-{read}"
    found = told(config, zoos, storage.absolute(scratch))
    fit = Fit("", config.estimator, "chosen", 0)
    budget = min(config.budget, len(found.rows_N))
    asked = order(fit, found.pool.answer_RN, found.pool.truth_RT)[:budget]
    budgets = sorted({*(step for step in STEPS if step < budget), budget})
    half_BT = half_widths(fit, found.pool, budgets)
    named = [f.name for f in found.pool.figures]
    pairs = [(b, name) for b in budgets for name in named]
    intervals = [{"budget": b, "figure": name, "half": half} for (b, name), half in zip(pairs, half_BT.flat, strict=True)]
    rows = found.rows_N[asked]
    names = found.public.examples["id"].iloc[rows]
    probes = [Probe(name, png(image_HWC)) for name, image_HWC in zip(names, found.public.take(rows), strict=True)]
    described = {"target": config.target, "estimator": config.estimator, "read": read, "made": about()}
    pool = found.pool._replace(answer_RN=found.pool.answer_RN[:, asked])
    checksum = kit.write(Kit(described, probes, pool, pd.DataFrame(intervals)), config.out)
    last = {f["figure"]: f["half"] for f in intervals}
    print(f"{config.out}: {budget} images, {len(pool.about):,} references, checksum {checksum}")
    print(
        "\n".join(f"{name}: 90 % of the estimates are within {half:.3f} {UNITS[config.target]}" for name, half in last.items())
    )
    return checksum


def png(image_HWC: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image_HWC.squeeze()).save(buffer, "PNG")
    return buffer.getvalue()


def audit(config: Run) -> Verdict:
    """Ask, and estimate."""
    if "://" in config.out:
        raise ValueError(f"--out {config.out}: a journal grows line by line, so give a folder of this machine.")
    refuse_relative("--out", config.out)
    given = kit.read(config.kit)
    if given.about["target"] != config.reading.target:
        raise ValueError(f"The kit asks about {given.about['target']}, and --kind {config.reading.kind} is none; give another.")
    budget = len(given.probes) + config.repeats if config.budget is None else config.budget
    first = min(budget - config.repeats, len(given.probes))
    if not 0 <= config.repeats <= first:
        raise ValueError(f"--repeats {config.repeats} of a --budget of {budget}: give 0 to {budget // 2}.")
    probes = list(given.probes[:first])
    probes += [probe._replace(name=probe.name + AGAIN) for probe in probes[: config.repeats]]
    target = opened(config)
    began, kept = time.monotonic(), Journal(storage.join(config.out, JOURNAL), identity(given, config.black_box))
    before = len(kept.entries)
    asked = ask(target, probes, kept, config.reading, budget)
    seconds = time.monotonic() - began
    found = judge(given, asked)
    made = about()
    told = {"about": made, "kit": given.checksum, "black_box": config.black_box, "asked": len(asked), **result(found)}
    storage.write_json(storage.join(config.out, RESULTS), told)
    html = audit_page.render(found, given, config.black_box, len(asked), kept.last, made)
    storage.write(storage.join(config.out, REPORT), html.encode())
    print(f"{len(asked) - before} questions in {seconds:.1f} s, {before} answers were there already.")
    print(text(found, given))
    print(f"\n{config.out}/{REPORT} shows it, {JOURNAL} proves the answers.")
    return found


def identity(given: Kit, black_box: str) -> dict[str, Any]:
    """What a journal is about."""
    return {"kit": given.checksum, "black box": black_box}


def opened(config: Run) -> Target:
    """The black box; raises ValueError for what is none."""
    place, colon, name = config.black_box.rpartition(":")
    if config.black_box.startswith(("http://", "https://")):
        return Http(url=config.black_box, form=config.form, timeout=config.timeout, tries=config.tries, every=config.every)
    if config.black_box.endswith(".csv"):
        return Recorded(config.black_box)
    if config.black_box.endswith(".pt2"):
        return exported(config.black_box, config.seen)
    if config.black_box.endswith(".onnx"):
        return onnx(config.black_box, config.seen)
    if colon and place.endswith(".safetensors"):
        return weights(place, name, config.seen)
    raise ValueError(
        f"--black-box {config.black_box}: give http://..., a .csv of answers, a .pt2 or .onnx file, or "
        "weights.safetensors:NETWORK."
    )


def replay(config: Replay) -> Verdict:
    given = kit.read(config.kit)
    said, entries, last = journal.replayed(storage.read(config.journal), config.journal)
    if said["kit"] != given.checksum:
        raise ValueError(f"{config.journal} is of an audit with another kit ({said['kit']}, not {given.checksum}).")
    asked = read_again(entries, config.reading, given.probes)
    found = judge(given, asked)
    print(f"{len(entries)} answers of {said['black box']}, none changed; the chain ends with {last[:16]}.")
    print(text(found, given))
    return found


def result(found: Verdict) -> dict[str, Any]:
    estimates = [{**e._asdict(), "half": e.half if np.isfinite(e.half) else None} for e in found.estimates]
    kept = {name: value for name, value in found._asdict().items() if name not in ("estimates", "places")}
    return {"estimates": estimates, **kept}


def text(found: Verdict, given: Kit) -> str:
    lines = []
    for e in found.estimates:
        interval = f" (90 % interval {shown(e.value - e.half)} to {shown(e.value + e.half)})" if np.isfinite(e.half) else ""
        lines.append(f"{e.figure}: {shown(e.value)} {UNITS[given.about['target']]}{interval}")
    return "\n".join([*lines, f"from {found.answers} answers", *found.caveats])


if __name__ == "__main__":
    run(Config, main)  # type: ignore[arg-type]
