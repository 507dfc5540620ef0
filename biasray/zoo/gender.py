"""GenderWdb: gender classifiers, each of which saw mostly one ethnic group (Serna et al., IFBiD)."""

from dataclasses import dataclass
from typing import final, get_args

from biasray.data.dataset import DataSet
from biasray.predict import Precision
from biasray.zoo.face_zoo import FaceZoo
from biasray.zoo.faces import Mixture, Shares
from biasray.zoo.member import Half, Member

NAMED = (("East Asian", "Black", "White"), ("Asian", "Black", "White"))  # of FairFace, of UTKFace


@final
@dataclass(frozen=True, kw_only=True)
class GenderZoo(FaceZoo):
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
    second_half: int | None = None
    """How many of them learn from the second half of the faces, the others from the first. Default: a sixth."""
    networks: tuple[str, ...] = ("cnn",)
    """gender-cnn is GenderWdb's, for images of 96 pixels or more, which it has with --side 120."""

    def classes(self, dataset: DataSet) -> list[Shares]:
        """The shares of the groups in each class."""
        values = self.values(dataset)
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
        self.check(dataset, ("gender",))
        second = self.members // 6 if self.second_half is None else self.second_half
        if self.members < 1 or not 0 <= second <= self.members:
            raise ValueError(f"--members {self.members} with --second-half {second}: give 1 or more, and no more in the half.")
        classes = self.classes(dataset)
        images = self.size(dataset, classes, get_args(Half), "class")
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
            network = self.networks[turn % len(self.networks)]
            found.append(self.member(number, network, lesson, dataset, precision, seed))
        return tuple(found)
