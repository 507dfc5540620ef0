"""GenderWdb: gender classifiers, each of which saw mostly one ethnic group (Serna et al., IFBiD)."""

from dataclasses import dataclass
from itertools import product
from typing import final, get_args

from biasray.data.dataset import DataSet
from biasray.predict import Precision
from biasray.recipe import Recipe
from biasray.zoo.faces import Mixture, Shares, check, most
from biasray.zoo.member import Half, Member

NAMED = (("East Asian", "Black", "White"), ("Asian", "Black", "White"))  # of FairFace, of UTKFace
MOST = 5000  # training images unless the user says otherwise


@final
@dataclass(frozen=True, kw_only=True)
class GenderZoo:
    """Gender classifiers of as many classes as there are groups: in each, one has the majority of the training images.

    GenderWdb has 10,000 and 2,000 of each of three classes, learnt from faces of independent sets. Its networks are
    gender-cnn at 120 pixels; its majority, epochs and batch are not published.
    """

    bias: str = "race"
    """Attribute of the groups."""
    groups: tuple[str, ...] = ()
    """Two or more of its values. Default: East Asian (or Asian), Black and White."""
    majority: float = 0.8
    """Share of the majority's images; the other groups have equal shares of the rest."""
    members: int | None = None
    """Models, spread evenly over networks and classes. Default: from the scale."""
    second_half: int | None = None
    """How many of them learn from the second half of the faces, the others from the first. Default: a sixth."""
    networks: tuple[str, ...] = ("cnn",)
    """gender-cnn is GenderWdb's, for images of 96 pixels or more."""
    images: int | None = None
    """Training images of each member, drawn anew for each. Default: 5,000, or what every class can be had with."""
    side: int = 32
    """Pixels a side, to which images are averaged down; GenderWdb has 120."""
    epochs: int = 12
    batch: int = 16
    lr: float = 1e-3
    """Of Adam, at first; it falls to 0 as a cosine."""

    def classes(self, dataset: DataSet) -> list[Shares]:
        """The shares of the groups in each class."""
        if self.bias not in dataset.attributes:
            raise ValueError(f"{dataset.name} has no attribute '{self.bias}' for --bias; give --data faces that have it.")
        values = set(dataset.examples[self.bias].astype(str))
        named = self.groups or next((names for names in NAMED if set(names) <= values), ())
        if len(set(named)) < max(2, len(named)) or not set(named) <= values:
            there = ", ".join(sorted(values)[:10])
            raise ValueError(f"--groups {' '.join(named)} is not two values or more of '{self.bias}': there are {there}.")
        if not 1 / len(named) < self.majority <= 1:
            raise ValueError(f"--majority must be above {1 / len(named):.2f} and at most 1, not {self.majority}.")
        rest = (1 - self.majority) / (len(named) - 1)
        return [tuple((name, self.majority if name == first else rest) for name in named) for first in named]

    def expand(self, dataset: DataSet, precision: Precision, seed: int) -> tuple[Member, ...]:
        """The members, those of the first half first. Raises ValueError for what makes no zoo."""
        assert self.members is not None
        recipe = Recipe(lr=self.lr, batch=self.batch, schedule="cosine")
        check(dataset, ("gender",), self.networks, self.side, recipe, self.epochs)
        second = self.members // 6 if self.second_half is None else self.second_half
        if self.members < 1 or not 0 <= second <= self.members:
            raise ValueError(f"--members {self.members} with --second-half {second}: give 1 or more, and no more in the half.")
        classes, halves = self.classes(dataset), get_args(Half)
        there = min(most(dataset, self.bias, shares, half) for shares, half in product(classes, halves))
        images = min(MOST, there) if self.images is None else self.images
        if not 1 <= images <= there:
            raise ValueError(f"--images must be 1 to {there:,}, with which every class can be had, not {images:,}.")
        found = []
        for number in range(self.members):
            turn, place = divmod(number, len(classes))
            lesson = Mixture(
                images=images,
                attribute=self.bias,
                shares=classes[place],
                subset=number,
                shuffled=0.0,
                targets=("gender",),
                side=self.side,
                half="first" if number < self.members - second else "second",
            )
            found.append(
                Member(
                    lesson=lesson,
                    data=dataset.checksum,
                    network=self.networks[turn % len(self.networks)],
                    shape=(dataset.shape[0], self.side, self.side),
                    recipe=recipe,
                    epochs=self.epochs,
                    precision=precision,
                    seed=seed,
                    init=number,
                    order=number,
                )
            )
        return tuple(found)
