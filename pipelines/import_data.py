"""Import a data set: verify, decode, resize, hash, and write Parquet shards with a manifest."""

from dataclasses import dataclass
from typing import Annotated

import tyro
from tqdm import tqdm

from biasray.engine.ingest import import_data
from pipelines.cli import about, run
from pipelines.place import refuse_relative


@dataclass(frozen=True, kw_only=True)
class Config:
    """Import a data set as its makers publish it into Parquet shards and a manifest.

    Files that cannot be used are set aside and listed in the manifest with the reason. Running the same command
    again, also after a kill, makes only what is missing.
    """

    name: Annotated[str, tyro.conf.Positional]
    """aaf, celeba, cmnist, dogs-cats, fairface, imagenet-b, imdb-wiki, kaggle-gender, mnist, utkface or waterbirds; or folder,
    for pictures of your own."""
    source: str
    """Folder that holds the data set, unpacked, or a Parquet file of it."""
    out: str
    """Folder or URI for the shards and the manifest."""
    labels: str | None = None
    """For a folder of your own: a CSV with a column `file`, a column for each attribute and, if you like, `split`."""
    target: str | None = None
    """Attribute to predict unless a comparison says otherwise. Default: the data set's usual one."""
    bias: str | None = None
    """Attribute that must not matter unless a comparison says otherwise. Default: the data set's usual one."""
    size: int | None = None
    """Pixels a side. Default: the data set's usual one."""
    only: str | None = None
    """A CSV that names in its column `file` the images to import; of the others none is."""
    without: str | None = None
    """A CSV that names in its column `file` images to leave out, such as those that a model is to be tested on later."""
    second_opinion: str | None = None
    """A CSV of a model's predictions, with a column `file` and attributes by their names: images whose labels it contradicts
    are not imported, but listed in review.csv for a person to look at."""
    tolerance: float = 5
    """How far apart numbers may be, such as years of age."""
    reviewed: str | None = None
    """That review.csv with the labels a person has settled on: these count, whatever the second opinion says."""
    most_set_aside: float = 0.05
    """Share of unusable files above which the import stops."""


def main(config: Config) -> None:
    if config.reviewed and not config.second_opinion:
        raise ValueError("--reviewed settles what a --second-opinion contradicts; give both.")
    refuse_relative("--source", config.source)
    refuse_relative("--out", config.out)
    with tqdm(desc=f"import {config.name}", unit=" images", mininterval=0.5, delay=1) as bar:
        manifest = import_data(
            config.name,
            config.source,
            config.out,
            config.size,
            config.most_set_aside,
            bar.update,
            about(),
            config.labels,
            config.target,
            config.bias,
            config.only,
            config.without,
            config.second_opinion,
            config.tolerance,
            config.reviewed,
        )
    splits = ", ".join(f"{n:,} {split}" for split, n in manifest["splits"].items())
    print(f"{config.out}: {splits}; images {' x '.join(map(str, manifest['shape']))}.")
    for title, remarks in (
        ("set aside", manifest["set_aside"]),
        ("set aside as duplicates", manifest["duplicates"]),
        ("used, but worth a look", manifest["noted"]),
        (f"wait in {config.out}/review.csv for a person to look at", manifest.get("waiting", [])),
    ):
        if remarks:
            print(f"{len(remarks):,} {title}:")
            for file, reason in remarks[:12]:
                print(f"  {file}: {reason}")
            if len(remarks) > 12:
                print(f"  ... and {len(remarks) - 12:,} more, in {config.out}/manifest.json")
    if alone := manifest.get("without second opinion"):
        print(f"{alone:,} images are imported that the second opinion does not know.")


if __name__ == "__main__":
    run(Config, main)
