"""The reference sets of an audit: models trained with every share of a group, at equal size."""

from dataclasses import dataclass
from itertools import cycle, product
from typing import final

from biasray.data.dataset import DataSet
from biasray.predict import Precision
from biasray.random import rng
from biasray.zoo.face_zoo import FaceZoo
from biasray.zoo.faces import OTHER, Mixture, Shares, Target
from biasray.zoo.member import Member

NAMED = {"gender": ("Male", "Female"), "race": ("Black", "East Asian")}


@final
@dataclass(frozen=True, kw_only=True)
class ReferenceZoo(FaceZoo):
    """Age regressors or gender classifiers of faces, in which the share of a group varies.

    Two groups in steps of 10 %, as 2,200 = 4 networks x 11 shares x 50; or two and the others in steps of 25 %, and a third
    each, as 3,200 = 4 x 16 x 50. Each member draws images, initial weights, order and wrong labels of its own.
    """

    bias: str = "gender"
    """Attribute whose shares vary."""
    groups: tuple[str, ...] = ()
    """Two of its values. Default: Male and Female, or Black and East Asian."""
    networks: tuple[str, ...] = ("digit-cnn", "cnn", "cnn-bn")
    """Architectures; the paper has resnet18, efficientnet-b1, convnext-t and swin-t."""
    targets: tuple[Target, ...] = ("age",)
    """What each predicts: age in years, gender, or both by one network, which learns age more slowly."""
    shuffled: float = 0.3
    """Each member has a share of wrong labels between 0 and this."""

    def mixtures(self, dataset: DataSet) -> list[Shares]:
        """The shares of the groups, from none of the first to nothing else."""
        values = self.values(dataset)
        named = self.groups or NAMED.get(self.bias, ())
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
        self.check(dataset, self.targets)
        if self.members < 1 or not 0 <= self.shuffled <= 1:
            raise ValueError("Give 1 or more --members, and --shuffled a share from 0 to 1.")
        mixtures = self.mixtures(dataset)
        images = self.size(dataset, mixtures, [None], "share")
        found = []
        for number, (network, shares) in zip(range(self.members), cycle(product(self.networks, mixtures)), strict=False):
            lesson = Mixture(
                images=images,
                attribute=self.bias,
                shares=shares,
                subset=number,
                shuffled=round(float(rng(seed, "wrong", number).uniform(0, self.shuffled)), 3),
                targets=tuple(dict.fromkeys(self.targets)),
                side=self.side,
            )
            found.append(self.member(number, network, lesson, dataset, precision, seed))
        return tuple(found)
