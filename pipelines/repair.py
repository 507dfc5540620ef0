"""Find where the bias sits in the weights of a zoo's models, and try to repair it there."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from biasray import data, storage
from biasray.data.dataset import DataSet
from biasray.engine.detect import opened
from biasray.engine.repair import WHERE, Treatment, file, repair_all
from biasray.experiment import Scale
from biasray.report import repair_page, repair_rows
from biasray.weights import detectors
from biasray.weights.neural import Neural
from biasray.weights.repair import WAYS, names
from biasray.zoo import store
from biasray.zoo.repairing import RESULTS, admitted, check, drops
from pipelines.cli import about, run
from pipelines.detect import refuse_unlike
from pipelines.place import Placed, claim, flat, own_folder, refuse_relative, refuse_temporary
from pipelines.progress import Progress
from pipelines.tracking import Tracked, start

FILES = ("report.html", "results.json")
MEMBERS: dict[Scale, int] = {"smoke": 4, "laptop": 40, "paper": 400}


@dataclass(frozen=True, kw_only=True)
class Config(Placed, Tracked):
    """Find where a detector reads the bias in the weights of a digit zoo's models, and try to repair it there.

    Settings of each way are searched on some test digits and judged on others. Writes results.json, report.html and a file for
    each way. The same command again goes on where it stopped.
    """

    zoo: str
    """Folder or URI of a finished zoo of digit models of one network."""
    data: str | None = None
    """The digits that it was made from: digits, or the folder or URI of an imported data set. Default: as the zoo says."""
    members: int | None = None
    """Members to repair, as many of each level; the detector learns from others. Default: from the scale."""
    methods: tuple[str, ...] = ("all",)
    """Ways of repair, or all."""
    detector: str = "conv1x1"
    """Detector that says where the bias is, and whose gradient is followed: conv1x1, dense, rnn or another neural one."""
    seed: int = 0
    """Draws the members, the parts of the digits, the detector's start, and all chance in the ways of repair."""
    scale: Scale = "laptop"
    """Fills --members: smoke 4, laptop 40, paper 400."""


def main(config: Config) -> str:
    """Try ways of repair on members of a zoo; returns the folder of the results."""
    refuse_temporary(config)
    refuse_relative("--zoo", config.zoo)
    zoo = storage.absolute(config.zoo)
    dataset = digits(config, zoo)
    ways = possible(config.methods, zoo)
    members = MEMBERS[config.scale] if config.members is None else config.members
    treatment = Treatment(detector=differentiable(config.detector, zoo), members=members, seed=config.seed)
    index = opened(zoo).index
    sick, others = admitted(index, treatment.members, treatment.seed)
    checksum = storage.read_json(storage.join(zoo, store.MANIFEST))["checksum"]
    jobs = [WHERE, *ways]
    hashes = [storage.fingerprint([checksum, RESULTS, way, tried(way), dataclasses.asdict(treatment)]) for way in jobs]
    fingerprint = storage.fingerprint(hashes)
    name = own_folder(config, f"repair-{fingerprint}")
    out = storage.absolute(name)  # workers have other working directories
    claim(out, [{"way": way, "zoo": checksum, **vars(treatment), "hash": h} for way, h in zip(jobs, hashes, strict=True)])
    records = start(config.tracking, f"repair {config.zoo}", fingerprint, flat(dataclasses.asdict(config)))
    print(f"{len(sick)} members, {treatment.detector} that learns from {len(others)} others\nout: {name}\n")
    with Progress("ways", "ways") as progress:
        failed = repair_all(jobs, treatment, zoo, dataset, out, progress)
    found = {way: storage.read_json(file(out, way)) for k, way in enumerate(jobs) if k not in failed}
    where, rows = found.pop(WHERE, None), repair_rows.rows(config.zoo, found)
    if rows:
        told = about()
        storage.write_json(storage.join(out, "results.json"), {"about": told, "rows": rows, "where": where})
        html = repair_page.render(
            found, rows, where, index, f"{treatment.detector}, learnt from {len(others)} others", checksum, told
        )
        storage.write(storage.join(out, "report.html"), html.encode())
        print(f"{repair_rows.text(rows)}\n\n{name}/report.html and results.json hold the rest.")
    if records:
        means = {f"{r['method']}/{r['metric']}".replace(",", ""): r["value"] for r in rows}
        print(records.close(means, out, ["config.json", *(FILES if rows else [])], bool(failed)))
    if failed:
        said = [f"{jobs[k]}: {sentence}" for k, sentence in failed.items()]
        raise ValueError("\n".join([*said, "What was tried stays; the same command tries the rest again."]))
    return out


def tried(way: str) -> list[Any]:
    """What is searched of a way."""
    return [] if way == WHERE else [WAYS[way].sizes, WAYS[way].stops]


def possible(given: tuple[str, ...], zoo: str) -> tuple[str, ...]:
    """The ways asked for; raises ValueError for dropout in networks that have none, and leaves it out of 'all'."""
    ways, about = names(given), store.architecture(zoo, opened(zoo).index["network"].iloc[0])
    if drops(*about):
        return ways
    if lost := [way for way in ways if WAYS[way].drops and way in given]:
        raise ValueError(f"--methods {lost[0]}: {about[0]} has no dropout that could go on when it predicts; leave it out.")
    kept = tuple(way for way in ways if not WAYS[way].drops)
    if kept != ways:
        print(f"{about[0]} has no dropout that could go on when it predicts, so that way is left out.")
    return kept


def digits(config: Config, zoo: str) -> DataSet:
    """The images that the zoo was made from; raises ValueError for a zoo of other things, and for other images."""
    index = opened(zoo).index
    if "brightest" not in index:
        raise ValueError(
            f"{config.zoo} holds no digit models that this project trained; only those can be repaired and tested."
        )
    refuse_unlike(zoo)
    check(index["network"].iloc[0], opened(zoo).layout)
    name = config.data or store.Zoo(zoo).about.get("data")
    if name is None:
        raise ValueError(f"{config.zoo} does not say which digits it was made from: give --data.")
    if name not in data.built_in():
        refuse_relative("--data", name)
    dataset = data.load(name)
    if dataset.checksum != index["data"].iloc[0]:
        raise ValueError(
            f"{name} does not hold the digits that {config.zoo} was made from: give --data the data set that does."
        )
    return dataset


def differentiable(name: str, zoo: str) -> str:
    """The name of a detector; raises ValueError for one that has no gradient by the weights."""
    made = detectors.known(name)(opened(zoo).layout, 0)
    if not isinstance(made, Neural):
        neural = [known for known in detectors.found() if isinstance(detectors.known(known)(opened(zoo).layout, 0), Neural)]
        raise ValueError(f"--detector {name} has no gradient by the weights; choose from {', '.join(neural)}.")
    return name


if __name__ == "__main__":
    run(Config, main)
