"""Make zoos of models with a controlled bias, and look after them."""

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import pandas as pd
import tyro
from safetensors.torch import save

from biasray import data, storage
from biasray.engine import cluster
from biasray.engine.zoo import described, make_zoo
from biasray.experiment import Compute, Scale, fast_precision
from biasray.predict import Precision
from biasray.zoo import spec, store
from pipelines.cli import about, run
from pipelines.place import flat, refuse_relative
from pipelines.progress import Progress
from pipelines.tracking import start

if TYPE_CHECKING:
    from biasray.engine.track import Tracker

SIZES: dict[Scale, int] = {"smoke": 16, "laptop": 400, "paper": 48_000}


@dataclass(frozen=True, kw_only=True)
class Digits:
    """Make a zoo of digit classifiers that colour misleads.

    The same command again goes on where it was stopped or killed, and makes anew what is damaged.
    """

    zoo: spec.DigitZoo = spec.DigitZoo()
    compute: Compute = Compute()
    data: str = "digits"
    """The built-in 1,797 digits, or the folder or URI of an imported MNIST."""
    precision: Precision | None = None
    """Default: bf16 where the hardware has it, float32 otherwise."""
    seed: int = 0
    """Everything is drawn from it."""
    scale: Scale = "laptop"
    """Fills --members: smoke 16, laptop 400, paper 48,000."""
    out: str | None = None
    """Folder or URI of the zoo. Default: runs/zoo-HASH."""
    tracking: str | None = None
    """MLflow: sqlite:///FILE, http://HOST:PORT, or none. Default: MLFLOW_TRACKING_URI, else sqlite:///mlflow.db."""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What a zoo holds: members, levels, accuracies."""

    folder: Annotated[str, tyro.conf.Positional]
    """Folder or URI of the zoo."""


@dataclass(frozen=True, kw_only=True)
class Verify:
    """Check every file of a zoo against its checksum, and its members against the plan."""

    folder: Annotated[str, tyro.conf.Positional]
    """Folder or URI of the zoo."""


@dataclass(frozen=True, kw_only=True)
class Export:
    """Take one member out as a plain state dict, or the whole zoo as one Parquet table with a column of weights."""

    folder: Annotated[str, tyro.conf.Positional]
    """Folder or URI of the zoo."""
    to: str
    """File to write: .safetensors for one member, .parquet for the zoo."""
    member: str | None = None
    """Id of the member, as `list` and index.parquet name it."""


Config = (
    Annotated[Digits, tyro.conf.subcommand("digits")]
    | Annotated[Listing, tyro.conf.subcommand("list")]
    | Annotated[Verify, tyro.conf.subcommand("verify")]
    | Annotated[Export, tyro.conf.subcommand("export")]
)


def main(config: Digits | Listing | Verify | Export) -> None:
    match config:
        case Digits():
            digits(config)
        case Listing():
            print(summary(store.Zoo(config.folder)))
        case Verify():
            verify(config.folder)
        case Export():
            export(config)


def digits(config: Digits) -> str:
    """Make a zoo of digits; returns its folder."""
    refuse_relative("--out", config.out)
    if config.data not in data.built_in():
        refuse_relative("--data", config.data)
    dataset = data.load(config.data)
    size = SIZES[config.scale] if config.zoo.members is None else config.zoo.members
    zoo = dataclasses.replace(config.zoo, members=size)
    precision = config.precision or fast_precision("digit-cnn", cluster.device(config.compute))
    members = zoo.expand(dataset, precision, config.seed)
    name = config.out or f"runs/zoo-{spec.fingerprint(members)}"
    out = storage.absolute(name)
    called, parameters = f"zoo of {len(members):,} digit models", flat(dataclasses.asdict(config))
    records = start(config.tracking, called, spec.fingerprint(members), parameters)
    levels = ", ".join(f"{level:g}" for level in zoo.levels)
    print(f"{len(members):,} members, {', '.join(zoo.networks)}, {precision}, levels {levels}")
    print(f"{dataset.name}: {members[0].lesson.images:,} training images each\nout: {name}\n")

    def record(number: int) -> None:
        if records:
            record_shard(records, out, number)

    with Progress("shards", "members") as progress:
        failed = make_zoo(members, {**described(zoo), "about": about()}, dataset, out, config.compute, progress, record)
    if not failed:
        print(summary(store.Zoo(out)))
    if records:
        files = [store.ZOO, "plan.json", *([] if failed else [store.INDEX, store.MANIFEST])]
        print(records.close({}, out, files, bool(failed)))
    if failed:
        said = [f"Shard {number}: {sentence}" for number, sentence in failed.items()]
        raise ValueError("\n".join([*said, "What was finished stays; the same command tries the rest again."]))
    return out


def record_shard(records: "Tracker", out: str, number: int) -> None:
    """A finished shard as a run of its own: mean accuracy by level, its table and its weights."""
    table, checksums, made = store.read_shard(out, number)
    means = table[table["finite"]].groupby("level")["accuracy"].mean()
    metrics = [(f"accuracy at level {level:g}", float(mean), 0) for level, mean in means.items()]
    metrics += [("seconds", made["seconds"], 0), ("members", len(table), 0), ("set aside", int((~table["finite"]).sum()), 0)]
    first = {k: table[k].iloc[0] for k in ("network", "epochs", "batch", "images", "precision", "packed", "width")}
    files = [f"{number:05d}.{kind}" for kind in checksums]
    hashed = storage.fingerprint(checksums)
    records.part(f"shard {number}", first, hashed, metrics, made["ended"], storage.join(out, "shards"), files)


def summary(zoo: store.Zoo) -> str:
    """Members and mean accuracy by network, half and level, with the range of 95 % of the members."""
    index = zoo.index[zoo.index["finite"]]
    varied = [k for k in ("network", "half", "epochs", "batch", "lr") if len(index[k].unique()) > 1]
    rows = []
    for group, table in index.groupby([*varied, "level", "bias"], sort=True):
        a = 100 * table["accuracy"]
        row = dict(zip([*varied, "level", "bias"], group, strict=True))
        row["members"] = len(table)
        row["accuracy, %"] = f"{a.mean():.1f} ({a.quantile(0.025):.1f} to {a.quantile(0.975):.1f})"
        row["colour score"] = f"{table['colour_score'].mean():.3f}"
        rows.append(row)
    lost = len(zoo.index) - len(index)
    end = f"\n{lost} members were set aside: their loss was not finite." if lost else ""
    return f"{pd.DataFrame(rows).to_string(index=False)}\nMean and the range of the middle 95 % of members.{end}"


def verify(folder: str) -> None:
    """Raises ValueError with a sentence for each thing that is wrong."""
    problems = store.verify(folder)
    if problems:
        raise ValueError("\n".join(problem.sentence for problem in problems))
    print(f"{folder}: {len(store.Zoo(folder).index):,} members, every checksum right, none missing, none twice.")


def export(config: Export) -> None:
    zoo = store.Zoo(config.folder)
    if config.to.endswith(".safetensors") and config.member:
        storage.write(config.to, save(zoo.state_dict(config.member)))
    elif config.to.endswith(".parquet") and not config.member:
        storage.write(config.to, zoo.parquet())
    else:
        raise ValueError(f"--to {config.to}: give --member ID with a .safetensors file, or a .parquet file without --member.")
    print(f"Wrote {config.to}.")


if __name__ == "__main__":
    run(Config, main)  # type: ignore[arg-type]
