"""Make zoos of models with a controlled bias, and look after them."""

import dataclasses
import io
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, final

import pandas as pd
import tyro
from safetensors.torch import save

from biasray import data, storage
from biasray.data.dataset import DataSet
from biasray.engine import cluster
from biasray.engine.zoo import described, make_zoo
from biasray.experiment import Compute, Scale, fast_precision
from biasray.predict import Precision
from biasray.report import zoo_page, zoo_rows
from biasray.zoo import store
from biasray.zoo.gender import GenderZoo
from biasray.zoo.importing import import_zoo
from biasray.zoo.member import Member
from biasray.zoo.plan import PLAN
from biasray.zoo.reference import ReferenceZoo
from biasray.zoo.spec import DigitZoo, fingerprint
from pipelines.cli import about, run
from pipelines.place import Placed, flat, own_folder, refuse_relative, refuse_temporary
from pipelines.progress import Progress
from pipelines.tracking import Tracked, start

if TYPE_CHECKING:
    from biasray.engine.track import Tracker


@dataclass(frozen=True, kw_only=True)
class Making(Placed, Tracked, ABC):
    compute: Compute = Compute()
    precision: Precision | None = None
    """Default: bf16 where the hardware has it, float32 otherwise."""
    seed: int = 0
    """Everything is drawn from it."""

    @abstractmethod
    def kind(self, dataset: DataSet) -> str:
        """Of SIZES."""


@final
@dataclass(frozen=True, kw_only=True)
class Digits(Making):
    """Make a zoo of digit classifiers that colour misleads.

    The same command again goes on where it was stopped or killed, and makes anew what is damaged.
    """

    zoo: DigitZoo = DigitZoo()
    data: str = "digits"
    """The built-in 1,797 digits, or the folder or URI of an imported MNIST."""
    scale: Scale = "laptop"
    """Fills --members: smoke 16, laptop 400, paper 48,000."""

    def kind(self, dataset: DataSet) -> str:
        return "digits"


@final
@dataclass(frozen=True, kw_only=True)
class Reference(Making):
    """Make the reference set of an audit: models of faces, trained with every share of a group.

    The same command again goes on where it was stopped or killed, and makes anew what is damaged.
    """

    zoo: ReferenceZoo = ReferenceZoo()
    data: str = "drawn-faces"
    """The built-in drawn faces, or the folder or URI of an imported set of faces with age and gender."""
    scale: Scale = "laptop"
    """Fills --members: smoke 11, laptop 264, paper 2,200; for three groups 16, 240 and 3,200."""

    def kind(self, dataset: DataSet) -> str:
        return "two groups" if len(self.zoo.mixtures(dataset)[0]) == 2 else "three groups"


@final
@dataclass(frozen=True, kw_only=True)
class Gender(Making):
    """Make a zoo of gender classifiers, each of which saw mostly one ethnic group.

    The same command again goes on where it was stopped or killed, and makes anew what is damaged.
    """

    zoo: GenderZoo = GenderZoo()
    data: str = "data/fairface"
    """Folder or URI of an imported set of faces with gender, age and ethnic groups."""
    scale: Scale = "laptop"
    """Fills --members: smoke 6, laptop 90, paper 36,000."""

    def kind(self, dataset: DataSet) -> str:
        return "gender"


SIZES: dict[str, dict[Scale, int]] = {
    "digits": {"smoke": 16, "laptop": 400, "paper": 48_000},
    "gender": {"smoke": 6, "laptop": 90, "paper": 36_000},
    "two groups": {"smoke": 11, "laptop": 264, "paper": 2_200},
    "three groups": {"smoke": 16, "laptop": 240, "paper": 3_200},
}


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


@dataclass(frozen=True, kw_only=True)
class Import:
    """Take models of others into a zoo: safetensors, PyTorch (.pt, .pth) or Keras (.h5) checkpoints of one network."""

    source: str
    """Folder or URI of the checkpoints."""
    labels: str
    """A CSV with a column `file` and whatever is known of each model, such as level and accuracy."""
    network: str
    """Whose weights they are: digit-cnn for DigitWdb, or any other."""
    out: str
    """Folder or URI of the zoo."""
    shape: tuple[int, int, int] = (3, 28, 28)
    """Channels, height and width of the images that the network sees."""
    outputs: int = 10
    """Values that it puts out."""


Config = (
    Annotated[Digits, tyro.conf.subcommand("digits")]
    | Annotated[Reference, tyro.conf.subcommand("reference")]
    | Annotated[Gender, tyro.conf.subcommand("gender")]
    | Annotated[Listing, tyro.conf.subcommand("list")]
    | Annotated[Verify, tyro.conf.subcommand("verify")]
    | Annotated[Export, tyro.conf.subcommand("export")]
    | Annotated[Import, tyro.conf.subcommand("import")]
)


def main(config: Digits | Reference | Gender | Listing | Verify | Export | Import) -> None:
    match config:
        case Digits() | Reference() | Gender():
            make(config)
        case Listing():
            print(summary(store.Zoo(config.folder)))
        case Verify():
            verify(config.folder)
        case Export():
            export(config)
        case Import():
            import_models(config)


def make(config: Digits | Reference | Gender) -> str:
    """Make a zoo; returns its folder."""
    refuse_temporary(config)
    dataset, kind, zoo, members = expanded(config)
    precision = members[0].precision
    name = own_folder(config, f"zoo-{fingerprint(members)}")
    out = storage.absolute(name)
    called, parameters = f"zoo of {len(members):,}, {kind}", flat(dataclasses.asdict(config))
    records = start(config.tracking, called, fingerprint(members), parameters)
    print(f"{len(members):,} members, {kind}, {', '.join(zoo.networks)}, {precision}")
    print(f"{dataset.name}: {members[0].lesson.images:,} training images each\nout: {name}\n")

    def record(number: int) -> None:
        if records:
            record_shard(records, out, number)

    with Progress("shards", "members") as progress:
        failed = make_zoo(
            members,
            {**described(zoo), "data": place(config.data), "about": about()},
            dataset,
            out,
            config.compute,
            progress,
            record,
        )
    if not failed:
        made = store.Zoo(out)
        html = zoo_page.render(made.index, storage.read_json(storage.join(out, PLAN))["programs"], made.about["about"])
        storage.write(storage.join(out, "report.html"), html.encode())
        print(f"{summary(made)}\n\n{name}/report.html shows them.")
    if records:
        files = [store.ZOO, PLAN, *([] if failed else [store.INDEX, store.MANIFEST, "report.html"])]
        print(records.close({}, out, files, bool(failed)))
    if failed:
        said = [f"Shard {number}: {sentence}" for number, sentence in failed.items()]
        raise ValueError("\n".join([*said, "What was finished stays; the same command tries the rest again."]))
    return out


def expanded(
    config: Digits | Reference | Gender,
) -> tuple[DataSet, str, DigitZoo | ReferenceZoo | GenderZoo, tuple[Member, ...]]:
    """The data set, the kind of SIZES, the zoo with its number of members, and the members."""
    if config.data not in data.built_in():
        refuse_relative("--data", config.data)
    dataset = data.load(config.data)
    kind = config.kind(dataset)
    size = SIZES[kind][config.scale] if config.zoo.members is None else config.zoo.members
    zoo = dataclasses.replace(config.zoo, members=size)
    convolutional = next((network for network in zoo.networks if network != "mlp"), "mlp")
    precision = config.precision or fast_precision(convolutional, cluster.device(config.compute))
    return dataset, kind, zoo, zoo.expand(dataset, precision, config.seed)


def place(name: str) -> str:
    """Where a data set lies, whatever folder a reader is in."""
    return name if name in data.built_in() else storage.absolute(name)


def record_shard(records: "Tracker", out: str, number: int) -> None:
    """A finished shard as a run of its own: its mean figures by level, its table and its weights."""
    table, checksums, made = store.read_shard(out, number)
    figures = [name for name in ("accuracy", "age_mae", "gender_error") if name in table]
    means = table[table["finite"]].groupby("level")[figures].mean()
    metrics = [(f"{name} at level {level:g}", float(row[name]), 0) for level, row in means.iterrows() for name in figures]
    counts = {"seconds": made.get("seconds", 0.0), "members": len(table), "set aside": int((~table["finite"]).sum())}
    metrics += [(name, count, 0) for name, count in counts.items()]
    first = {k: table[k].iloc[0] for k in ("network", "epochs", "batch", "images", "precision", "packed", "width")}
    files = [f"{number:05d}.{kind}" for kind in checksums]
    hashed = storage.fingerprint(checksums)
    records.part(f"shard {number}", first, hashed, metrics, made.get("ended", 0.0), storage.join(out, "shards"), files)


def summary(zoo: store.Zoo) -> str:
    """Members and their mean figures by all that varies in steps, with the range of the middle 95 % of the members."""
    index = zoo.index[zoo.index["finite"]]
    keys = [*zoo_rows.steps(index), *(k for k in ("level", "bias") if k in index)]
    figures = {"accuracy": 100.0, "colour_score": 1.0, "age_mae": 1.0, "gender_error": 100.0}
    figures |= {f"age_mae {value}": 1.0 for value in _first_two(index)}
    rows = []
    for group, table in index.groupby(keys, sort=True):
        row = dict(zip(keys, group, strict=True))
        row["members"] = len(table)
        for name in (name for name in figures if name in table):
            a = figures[name] * table[name]
            unit = ", %" if figures[name] == 100 else ""
            row[f"{name}{unit}"] = f"{a.mean():.2f} ({a.quantile(0.025):.2f} to {a.quantile(0.975):.2f})"
        rows.append(row)
    lost = len(zoo.index) - len(index)
    end = f"\n{lost} members were set aside: their loss was not finite." if lost else ""
    return f"{pd.DataFrame(rows).to_string(index=False)}\nMean and the range of the middle 95 % of members.{end}"


def _first_two(index: pd.DataFrame) -> list[str]:
    """The groups whose shares vary in a reference set."""
    return [name.removeprefix("share ") for name in index.columns if name.startswith("share ")][:2]


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


def import_models(config: Import) -> None:
    try:
        table = pd.read_csv(io.BytesIO(storage.read(config.labels)))
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ValueError(f"{config.labels} is no CSV ({error}); give one with a column `file`.") from error
    import_zoo(table, config.source, config.network, config.shape, config.outputs, config.out)
    verify(config.out)


if __name__ == "__main__":
    run(Config, main)  # type: ignore[arg-type]
