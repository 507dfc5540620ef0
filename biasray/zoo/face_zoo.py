"""What zoos of faces have in common: the shares of groups among the training images are the bias, all else is alike."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from biasray import networks
from biasray.data.ages import years
from biasray.data.dataset import DataSet, refuse_unlabelled
from biasray.predict import Precision
from biasray.recipe import Recipe
from biasray.zoo.faces import OUTPUTS, Mixture, Shares, Target, most
from biasray.zoo.member import Half, Member
from biasray.zoo.stacked import sketch

MOST = 5000  # training images unless the user says otherwise


@dataclass(frozen=True, kw_only=True)
class FaceZoo(ABC):
    bias: str
    groups: tuple[str, ...]
    networks: tuple[str, ...]
    members: int | None = None
    """Models, spread evenly over networks and shares. Default: from the scale."""
    images: int | None = None
    """Training images of each member, drawn anew for each. Default: 5,000, or what all shares can be had with."""
    side: int = 32
    """Pixels a side, to which images are averaged down."""
    epochs: int = 12
    batch: int = 16
    lr: float = 1e-3
    """Of Adam, at first; it falls to 0 as a cosine."""

    @abstractmethod
    def expand(self, dataset: DataSet, precision: Precision, seed: int) -> tuple[Member, ...]:
        """The members. Raises ValueError for what makes no zoo, or what the data cannot give."""

    def values(self, dataset: DataSet) -> set[str]:
        """Of the attribute that is the bias. Raises ValueError where the data set has none."""
        if self.bias not in dataset.attributes:
            raise ValueError(f"{dataset.name} has no attribute '{self.bias}' for --bias; give --data faces that have it.")
        refuse_unlabelled(dataset.examples, (self.bias,), dataset.name)
        return set(dataset.examples[self.bias].astype(str))

    def check(self, dataset: DataSet, targets: Sequence[Target]) -> None:
        """Raises ValueError for faces without what is to be learnt, and for settings that make no member."""
        if missing := [name for name in ("age", "gender") if name not in dataset.attributes]:
            raise ValueError(f"{dataset.name} has no attribute '{missing[0]}', which members need; give --data data/fairface.")
        if not targets or not self.networks:
            raise ValueError("--targets and --networks need a value or several.")
        if min(self.epochs, self.batch) < 1 or not self.lr > 0 or not 8 <= self.side <= min(dataset.shape[1:]):
            raise ValueError(f"--epochs and --batch must be 1 or more, --lr above 0 and --side 8 to {min(dataset.shape[1:])}.")
        refuse_unlabelled(dataset.examples, ("age", "gender"), dataset.name)
        years(dataset.examples["age"])
        if len(genders := dataset.examples["gender"].unique()) != 2:
            raise ValueError(f"Members need two values of 'gender'; {dataset.name} has {', '.join(map(str, genders))}.")
        for network in self.networks:
            networks.check(network)
            sketch(network, (dataset.shape[0], self.side, self.side), sum(OUTPUTS[target] for target in targets))

    def size(self, dataset: DataSet, mixtures: Sequence[Shares], halves: Sequence[Half | None], called: str) -> int:
        """Training images of each member. Raises ValueError for more than some mixture can be had with."""
        there = min(most(dataset, self.bias, shares, half) for shares in mixtures for half in halves)
        images = min(MOST, there) if self.images is None else self.images
        if not 1 <= images <= there:
            raise ValueError(f"--images must be 1 to {there:,}, with which every {called} can be had, not {images:,}.")
        return images

    def member(self, number: int, network: str, lesson: Mixture, dataset: DataSet, precision: Precision, seed: int) -> Member:
        """A member with initial weights and order of its own."""
        return Member(
            lesson=lesson,
            data=dataset.checksum,
            network=network,
            shape=(dataset.shape[0], self.side, self.side),
            recipe=Recipe(lr=self.lr, batch=self.batch, schedule="cosine"),
            epochs=self.epochs,
            precision=precision,
            seed=seed,
            init=number,
            order=number,
        )
