"""The reference sets of an audit: models trained with every share of a group, at equal size."""

from dataclasses import dataclass
from itertools import cycle, product
from typing import final

from biasray.data.dataset import DataSet
from biasray.predict import Precision
from biasray.random import rng
from biasray.recipe import Recipe
from biasray.zoo.faces import OTHER, Mixture, Shares, Target, check, most
from biasray.zoo.member import Member

NAMED = {"gender": ("Male", "Female"), "race": ("Black", "East Asian")}
MOST = 5000  # training images unless the user says otherwise


@final
@dataclass(frozen=True, kw_only=True)
class ReferenceZoo:
    """Age regressors or gender classifiers of faces, in which the share of a group varies.

    Two groups in steps of 10 %, as 2,200 = 4 networks x 11 shares x 50; or two and the others in steps of 25 %, and a third
    each, as 3,200 = 4 x 16 x 50. Each member draws images, initial weights, order and wrong labels of its own.
    """

    bias: str = "gender"
    """Attribute whose shares vary."""
    groups: tuple[str, ...] = ()
    """Two of its values. Default: Male and Female, or Black and East Asian."""
    members: int | None = None
    """Models, spread evenly over networks and shares. Default: from the scale."""
    networks: tuple[str, ...] = ("digit-cnn", "cnn", "cnn-bn")
    """Architectures; the paper has resnet18, efficientnet-b1, convnext-t and swin-t."""
    targets: tuple[Target, ...] = ("age",)
    """What each predicts: age in years, gender, or both by one network, which learns age more slowly."""
    images: int | None = None
    """Training images of each member. Default: 5,000, or what every share can be had with."""
    side: int = 32
    """Pixels a side, to which images are averaged down."""
    shuffled: float = 0.3
    """Each member has a share of wrong labels between 0 and this."""
    epochs: int = 12
    batch: int = 16
    lr: float = 1e-3
    """Of Adam, at first; it falls to 0 as a cosine."""

    def mixtures(self, dataset: DataSet) -> list[Shares]:
        """The shares of the groups, from none of the first to nothing else."""
        if self.bias not in dataset.attributes:
            raise ValueError(f"{dataset.name} has no attribute '{self.bias}' for --bias; give --data faces that have it.")
        named, values = self.groups or NAMED.get(self.bias, ()), set(dataset.examples[self.bias].astype(str))
        if len(named) != 2 or not set(named) <= values:
            there = ", ".join(sorted(values)[:10])
            raise ValueError(f"--groups {' '.join(named)} is not two values of '{self.bias}'; {dataset.name} has: {there}.")
        first, second = named
        if values == set(named):
            return [((first, k / 10), (second, 1 - k / 10)) for k in range(11)]
        simplex = [(a, b, 4 - a - b) for a, b in product(range(5), repeat=2) if a + b <= 4]
        shares = [*((a / 4, b / 4, c / 4) for a, b, c in simplex), (1 / 3, 1 / 3, 1 / 3)]
        return [((first, a), (second, b), (OTHER, c)) for a, b, c in shares]

    def expand(self, dataset: DataSet, precision: Precision, seed: int) -> tuple[Member, ...]:
        """The members. Raises ValueError for what makes no zoo, or what the data cannot give."""
        assert self.members is not None
        recipe = Recipe(lr=self.lr, batch=self.batch, schedule="cosine")
        check(dataset, self.targets, self.networks, self.side, recipe, self.epochs)
        if self.members < 1 or not 0 <= self.shuffled <= 1:
            raise ValueError("Give 1 or more --members, and --shuffled a share from 0 to 1.")
        mixtures = self.mixtures(dataset)
        there = min(most(dataset, self.bias, shares) for shares in mixtures)
        images = min(MOST, there) if self.images is None else self.images
        if not 1 <= images <= there:
            raise ValueError(f"--images must be 1 to {there:,}, with which every share can be had, not {images:,}.")
        return tuple(
            Member(
                lesson=Mixture(
                    images=images,
                    attribute=self.bias,
                    shares=shares,
                    subset=number,
                    shuffled=round(float(rng(seed, "wrong", number).uniform(0, self.shuffled)), 3),
                    targets=tuple(dict.fromkeys(self.targets)),
                    side=self.side,
                ),
                data=dataset.checksum,
                network=network,
                shape=(dataset.shape[0], self.side, self.side),
                recipe=recipe,
                epochs=self.epochs,
                precision=precision,
                seed=seed,
                init=number,
                order=number,
            )
            for number, (network, shares) in zip(range(self.members), cycle(product(self.networks, mixtures)), strict=False)
        )
