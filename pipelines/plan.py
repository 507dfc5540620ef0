"""What will a zoo take on a cluster: time, core-hours, GPU-hours, storage, money?"""

from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from biasray.engine.calibrate import calibrate
from biasray.engine.sweep import needs
from biasray.zoo import plan
from biasray.zoo.forecast import HOUR, Calibration, Foretold, Machines, check, foretell
from pipelines.cli import processor, run
from pipelines.progress import Progress
from pipelines.zoo import Digits, Gender, Reference, expanded


@dataclass(frozen=True, kw_only=True)
class Config:
    """Foretell what a zoo takes on a cluster, from a few of its members made here.

    First the machines, then the command line of the zoo itself (`pipelines.zoo --help`). Of that zoo nothing is made:
    its --out and --tracking are left alone. What a core does here is taken for what it does there: run it on a machine
    like those that are to be planned.
    """

    on: Machines = Machines()
    calibrate: int = 64
    """Members of each program (network, epochs, batch, images) that are made here: a few packs for each core."""
    zoo: (
        Annotated[Digits, tyro.conf.subcommand("digits")]
        | Annotated[Reference, tyro.conf.subcommand("reference")]
        | Annotated[Gender, tyro.conf.subcommand("gender")]
    )


def main(config: Config) -> Foretold:
    each, threads = needs(config.zoo.compute)
    check(config.on, "cuda" if "GPU" in each else "cpu", threads)
    dataset, kind, _, members = expanded(config.zoo)
    programs = plan.programs(members)
    counts = [len(mine) for mine in programs.values()]
    print(f"{len(members):,} members, {kind}, of {len(programs)} programs; {config.calibrate} of each are made here\n")
    with Progress("shards", "members") as progress:
        found = calibrate(members, config.calibrate, dataset, config.zoo.compute, progress)
    told = foretell(found, counts, config.on)
    print("\n".join(lines(found, counts, told, config.on, [program.network for program in programs])))
    return told


def lines(found: Calibration, counts: list[int], told: Foretold, on: Machines, networks: list[str]) -> list[str]:
    """The forecast, and what it takes for granted."""
    expected, low, high = told
    out = [f"Here ({processor()}):"]
    for cost, count, network in zip(found.costs, counts, networks, strict=True):
        mean = sum(cost.seconds) / len(cost.seconds)
        out.append(f"  {count:,} {network}: {mean:.3g} s a member on one {_worker(found)}, {len(cost.seconds)} shards")
    memory = f", {found.memory / 1e9:.1f} GB of memory each" if found.memory else ""
    out += [f"\nOn {on.machines} machines ({expected.workers} workers{memory}), expected (95 % over the shards made here):"]

    def row(name: str, show: Any) -> None:
        out.append(f"  {name:12}{show(expected):>12}  ({show(low)} to {show(high)})")

    row("time", lambda f: _clock(f.seconds))
    row("core-hours", lambda f: f"{f.core_hours:,.1f}")
    row("GPU-hours", lambda f: f"{f.gpu_hours:,.1f}")
    if on.price or on.head_price:
        row("price", lambda f: f"{f.price:,.2f}")
    out.append(f"  {'storage':12}{_size(expected.bytes):>12}")
    idle = _clock(expected.seconds - expected.busy / expected.workers)
    taken = f"""
Taken for granted: a worker there makes {on.speed:g} times the members of one here; no machine is taken away (a lost
shard, of about {plan.SECONDS:.0f} s, is made again). In the time are {idle} of start, end and waiting for the last of
{expected.shards:,} shards. The data set, MLflow's records and traffic are not in it."""
    return [*out, taken]


def _worker(found: Calibration) -> str:
    return "GPU" if found.device == "cuda" else "core" if found.threads == 1 else f"worker of {found.threads} cores"


def _clock(seconds: float) -> str:
    if seconds < HOUR:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / HOUR:,.1f} h"


def _size(count: float) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count / 1e3:,.0f} kB"


if __name__ == "__main__":
    run(Config, main)
