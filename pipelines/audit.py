"""Estimate the bias of a black box on data that it never sees, from a few answers."""

import dataclasses
import json
import time
from dataclasses import dataclass
from typing import Annotated, Any, Literal, final

import numpy as np
import tyro

from biasray import storage
from biasray.audit import journal, kit
from biasray.audit.asking import AGAIN, ask, read_again
from biasray.audit.journal import Journal
from biasray.audit.kit import Kit
from biasray.audit.reading import Reading
from biasray.audit.targets.exported import exported
from biasray.audit.targets.http import Http
from biasray.audit.targets.local import Seen, onnx, weights
from biasray.audit.targets.recorded import Recorded
from biasray.audit.targets.target import Probe, Target
from biasray.audit.turns import ask_in_turn, refuse_another_order
from biasray.audit.verdict import FEWEST, Verdict, judge
from biasray.engine.cells import Status
from biasray.report import audit_page
from biasray.report.audit_page import UNITS, shown
from pipelines.cli import about, run
from pipelines.place import refuse_relative
from pipelines.prepare import Prepare, prepare
from pipelines.progress import Progress
from pipelines.study import Study, study
from pipelines.truth import Truth, truth

ROUNDING = 1e-3  # of an estimate on another machine
JOURNAL, RESULTS, REPORT = "journal.jsonl", "results.json", "report.html"


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
    """Questions, at most, --repeats among them. Default: as many as the kit has images."""
    within: float | None = None
    """Ask in turn the image that tells most, and stop as soon as the 90 % interval reaches no farther than this to either side:
    in years, or as a part of the error rate. Default: ask about all images in the order of the kit."""
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
    """See that nothing was changed in the journal of an audit, and estimate anew, offline."""

    kit: str
    """Folder or URI of the kit."""
    audit: str
    """Folder of the audit: what `run` left there."""
    chain: str | None = None
    """Last hash of the journal, as the auditor noted it. Default: what the audit's own results say."""


Config = (
    Annotated[Prepare, tyro.conf.subcommand("prepare")]
    | Annotated[Run, tyro.conf.subcommand("run")]
    | Annotated[Replay, tyro.conf.subcommand("replay")]
    | Annotated[Study, tyro.conf.subcommand("study")]
    | Annotated[Truth, tyro.conf.subcommand("truth")]
)


def main(config: Prepare | Run | Replay | Study | Truth) -> None:
    match config:
        case Prepare():
            prepare(config)
        case Run():
            audit(config)
        case Replay():
            replay(config)
        case Study():
            study(config)
        case Truth():
            truth(config)


def audit(config: Run) -> Verdict:
    """Ask, and estimate."""
    if "://" in config.out:
        raise ValueError(f"--out {config.out}: a journal grows line by line, so give a folder of this machine.")
    refuse_relative("--out", config.out)
    given = kit.read(config.kit)
    probes, budget = asked_probes(config, given)
    policy = None if config.within is None else given.policy(config.within, budget)
    target = opened(config, given)
    about_, began = identity(config, given, budget), time.monotonic()
    with Journal(storage.join(config.out, JOURNAL), about_) as kept, Progress("audits", "questions") as progress:
        before = len(kept.entries)

        def more() -> None:
            done, whole = len(kept.entries), len(probes)
            progress(Status(1, int(done == whole), 0, done, whole, 0))

        asked = (
            ask_in_turn(target, given, kept, config.reading, policy, more)
            if policy
            else ask(target, probes, kept, config.reading, budget, more)
        )
    seconds = time.monotonic() - began
    found = judge(given, asked, policy)
    made, reading = about(), dataclasses.asdict(config.reading)
    told = {"about": made, "kit": given.checksum, "chain": kept.last, "reading": reading, **result(found)}
    storage.write_json(storage.join(config.out, RESULTS), told)
    html = audit_page.render(found, given, config.black_box, len(asked), config.within, kept.last, made)
    storage.write(storage.join(config.out, REPORT), html.encode())
    print(f"{len(asked) - before} questions in {seconds:.1f} s, {before} answers were there already.")
    print(text(found, given))
    print(f"\n{config.out}/{REPORT} shows it; {JOURNAL} proves the answers to those who note its last hash:\n{kept.last}")
    return found


def asked_probes(config: Run, given: Kit) -> tuple[list[Probe], int]:
    """The probes to ask about, and the budget; raises ValueError for a budget or a reading that makes no audit."""
    if given.about["target"] != config.reading.target:
        raise ValueError(f"The kit asks about {given.about['target']}, and --kind {config.reading.kind} is none; give another.")
    budget, most = len(given.probes) if config.budget is None else config.budget, len(given.probes)
    first = min(budget - config.repeats, most)
    if not 0 <= config.repeats <= first:
        raise ValueError(f"--repeats {config.repeats} of a --budget of {budget}: give 0 to {min(budget // 2, most)}.")
    if first < FEWEST:
        raise ValueError(f"--budget {budget}: an estimate needs answers to {FEWEST} images; give more.")
    if config.within is not None and (config.within <= 0 or config.repeats):
        raise ValueError(f"--within {config.within}: give a width above zero, and no --repeats.")
    if config.repeats and config.black_box.endswith(".csv"):
        raise ValueError("--repeats: answers that were recorded cannot change; leave it out.")
    probes = list(given.probes[:first])
    return [*probes, *(probe._replace(name=probe.name + AGAIN) for probe in probes[: config.repeats])], budget


def identity(config: Run, given: Kit, budget: int) -> dict[str, Any]:
    """What a journal is about: of a file its content too, and how images are shown to it; in turn also when asking ends."""
    about: dict[str, Any] = {"kit": given.checksum, "black box": config.black_box}
    if config.within is not None:
        about |= {"within": config.within, "budget": budget}
    if config.black_box.startswith("http"):
        return about
    place = config.black_box
    file = place if storage.exists(place) else place.rpartition(":")[0]
    seen = {} if place.endswith(".csv") else dataclasses.asdict(config.seen)
    described: dict[str, Any] = json.loads(json.dumps({**about, "file": storage.checksum(storage.read(file)), **seen}))
    return described


def opened(config: Run, given: Kit) -> Target:
    """The black box; raises ValueError for what is none."""
    place, colon, name = config.black_box.rpartition(":")
    if config.black_box.startswith(("http://", "https://")):
        return Http(url=config.black_box, form=config.form, timeout=config.timeout, tries=config.tries, every=config.every)
    if config.black_box.endswith(".csv"):
        return Recorded(config.black_box, dict(zip((probe.name for probe in given.probes), given.ids, strict=True)))
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
    """Raises ValueError where the journal or the results do not hold."""
    given, told = kit.read(config.kit), storage.read_json(storage.join(config.audit, RESULTS))
    file = storage.join(config.audit, JOURNAL)
    said, entries, last = journal.replayed(storage.read(file), file)
    if said["kit"] != given.checksum:
        raise ValueError(f"{file} is of an audit with another kit ({said['kit']}, not {given.checksum}).")
    if last != (expected := config.chain or told["chain"]):
        raise ValueError(f"{file} ends with {last}, not {expected}: lines were changed or left out; it proves nothing.")
    asked, policy = read_again(entries, Reading(**told["reading"]), given.probes), None
    if "within" in said:
        policy = given.policy(said["within"], said["budget"])
        refuse_another_order(given, asked, policy)
    found = judge(given, asked, policy)
    for new, old in zip(found.estimates, told["estimates"], strict=True):
        if abs(new.value - old["value"]) > ROUNDING * max(1, abs(old["value"])):
            raise ValueError(f"{config.audit} says {old['value']} of {new.figure}, its answers say {new.value}.")
    print(f"{len(entries)} answers of {said['black box']}, none changed; the chain ends with {last}.")
    print(text(found, given))
    return found


def result(found: Verdict) -> dict[str, Any]:
    estimates = [{**e._asdict(), "half": e.half if np.isfinite(e.half) else None} for e in found.estimates]
    (far,), (along,), (own,), agreement = found.likeness
    likeness = {"far": float(far), "along": float(along), "own": float(own), "agreement": agreement}
    kept = {name: value for name, value in found._asdict().items() if name not in ("estimates", "likeness", "places")}
    return {"estimates": estimates, "likeness": likeness, **kept}


def text(found: Verdict, given: Kit) -> str:
    lines, target = list[str](), given.about["target"]
    for e in found.estimates:
        low, high = (shown(e.value + sign * e.half, target) for sign in (-1, 1)) if np.isfinite(e.half) else ("", "")
        interval = f" (90 % interval {low} to {high})" if low else ""
        lines.append(f"{e.figure}: {shown(e.value, target)} {UNITS[target]}{interval}")
    return "\n".join([*lines, f"from {found.answers} answers", *found.caveats])


if __name__ == "__main__":
    run(Config, main)  # type: ignore[arg-type]
