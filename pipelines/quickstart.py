"""The whole way in a minute or two: real digits with a colour bias, four methods, one report. Downloads nothing."""

from dataclasses import dataclass

from biasray.bias.task import Task
from biasray.experiment import Compute, Training
from pipelines import debias
from pipelines.cli import run


@dataclass(frozen=True, kw_only=True)
class Config:
    """Colour scikit-learn's 1,797 handwritten digits so that 95 % have their digit's own colour, then debias.

    A plain network (erm) reads the colour; GroupDRO, LfF and JTT should read the digit.
    """

    out: str | None = None
    """Folder or URI of the results. Default: runs/debias-HASH."""
    seeds: int = 3
    """Trainings of each method."""
    compute: Compute = Compute()


def main(config: Config) -> str:
    return debias.main(
        debias.Config(
            task=Task(data="digits", agreement=0.95),
            training=Training(epochs=40, batch=64),
            seeds=config.seeds,
            out=config.out,
            compute=config.compute,
        )
    )


if __name__ == "__main__":
    run(Config, main)
