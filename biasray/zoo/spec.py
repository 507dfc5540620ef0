"""What a zoo is made of: levels of bias, networks and variations, expanded to members."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, final

from biasray import networks, storage
from biasray.data.dataset import DataSet
from biasray.predict import Precision
from biasray.recipe import Recipe
from biasray.zoo.digits import LEVELS, Coloured, rows
from biasray.zoo.member import Half, Member
from biasray.zoo.stacked import sketch

Shared = Literal["shared", "split", "independent"]  # by all members, by those of a half, by none


def fingerprint(members: Sequence[Member]) -> str:
    return storage.fingerprint([member.id for member in members])


@final
@dataclass(frozen=True, kw_only=True)
class DigitZoo:
    """Digit classifiers that colour misleads, as in DigitWdb (Serna et al., IFBiD).

    In training every digit has its own colour, whose jitter is the level of bias; members of different levels are
    otherwise drawn alike.
    """

    members: int | None = None
    """Models, spread evenly over the levels and over all that has several values. Default: from the scale."""
    second_half: int | None = None
    """How many of them learn from the second half of the digits, the others from the first. Default: a sixth, as in
    DigitWdb's 40,000 and 8,000."""
    levels: tuple[float, ...] = tuple(LEVELS)
    """Variances of the colour jitter: the smaller, the more biased."""
    networks: tuple[str, ...] = ("digit-cnn",)
    """digit-cnn (figure 1 of the paper), digit-cnn-wide (the family of its figure 6), or any other."""
    init: Shared = "independent"
    """Initial weights."""
    jitter: Shared = "independent"
    """Draws of the colours; DigitWdb has one data file a level, which is 'shared'."""
    order: Shared = "independent"
    """Order of the images."""
    subset: Shared = "shared"
    """Which images of the half, where --images are fewer than it has."""
    images: int | None = None
    """Training images. Default: all of a half."""
    shuffled: tuple[float, ...] = (0.0,)
    """Shares of wrong labels."""
    epochs: tuple[int, ...] = (4,)
    """Of 1, 2 and 4 the nearest to DigitWdb's accuracies; so is the batch, of 32 and 128."""
    batch: tuple[int, ...] = (32,)
    lr: tuple[float, ...] = (1e-3,)
    """Of Adam."""
    weight_decay: tuple[float, ...] = (0.0,)
    """Of epochs, batch, lr, weight decay and wrong labels several values make a zoo of hyperparameters."""
    brightest: float = 255.0
    """Value of the brightest pixel: 255 as the published loader feeds them, or 1."""

    def expand(self, dataset: DataSet, precision: Precision, seed: int) -> tuple[Member, ...]:
        """The members, those of the first half first. Raises ValueError for what makes no zoo."""
        assert self.members is not None
        second = self.members // 6 if self.second_half is None else self.second_half
        if dataset.shape[0] != 1 or "digit" not in dataset.attributes:
            raise ValueError(f"A digit zoo is made of grey digits, which {dataset.name} does not hold; give --data data/mnist.")
        if self.members < 1 or not 0 <= second <= self.members:
            raise ValueError(f"--members {self.members} with --second-half {second}: give 1 or more, and no more in the half.")
        listed = {"levels": self.levels, "networks": self.networks, "epochs": self.epochs, "batch": self.batch, "lr": self.lr}
        for name, given in {**listed, "weight-decay": self.weight_decay, "shuffled": self.shuffled}.items():
            if not given:
                raise ValueError(f"--{name} needs a value or several.")
        if not all(0 <= level < math.inf for level in self.levels):
            raise ValueError(f"--levels are variances of 0 or more, not {self.levels}.")
        positive = all(lr > 0 for lr in self.lr) and self.brightest > 0 and all(decay >= 0 for decay in self.weight_decay)
        if min(*self.epochs, *self.batch) < 1 or not positive:
            raise ValueError("--epochs and --batch must be 1 or more, --lr and --brightest above 0, --weight-decay 0 or more.")
        if not all(0 <= share <= 1 for share in self.shuffled):
            raise ValueError(f"--shuffled are shares from 0 to 1, not {self.shuffled}.")
        for network in self.networks:
            networks.check(network)
            sketch(network, (3, *dataset.shape[1:]), 10)
        halves: tuple[Half, ...] = ("first", "second")
        most = {half: len(rows(dataset, half)) for half in halves}
        images = min(most.values()) if self.images is None else self.images
        if not 1 <= images <= min(most.values()):
            raise ValueError(f"--images must be 1 to {min(most.values()):,}, which half of {dataset.name} has, not {images}.")
        varied = self.networks, self.epochs, self.batch, self.lr, self.weight_decay, self.shuffled, self.levels
        values = list(product(*varied))
        found = []
        for number in range(self.members):
            half: Half = "first" if number < self.members - second else "second"
            network, epochs, batch, lr, decay, shuffled, level = values[number % len(values)]

            def drawn(how: Shared, number: int = number, half: Half = half) -> int:
                return {"shared": 0, "split": int(half == "second"), "independent": number}[how]

            found.append(
                Member(
                    lesson=Coloured(
                        images=images,
                        variance=level,
                        jitter=drawn(self.jitter),
                        half=half,
                        subset=drawn(self.subset),
                        shuffled=shuffled,
                        brightest=self.brightest,
                    ),
                    data=dataset.checksum,
                    network=network,
                    shape=(3, *dataset.shape[1:]),
                    recipe=Recipe(lr=lr, batch=batch, weight_decay=decay),
                    epochs=epochs,
                    precision=precision,
                    seed=seed,
                    init=drawn(self.init),
                    order=drawn(self.order),
                )
            )
        if len({member.id for member in found}) < len(found):
            raise ValueError(
                "Some members would be the same model: with --init, --jitter and --order shared there is one for each "
                "level, network, half and hyperparameter; ask for fewer --members, or share less."
            )
        return tuple(found)
