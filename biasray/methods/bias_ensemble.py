"""BiasEnsemble with LfF: a committee of biased networks finds what is surely aligned; LfF's biased network learns from that.

Lee, Park, Kim, Lee, Choi, Choo: Revisiting the Importance of Amplifying Bias for Debiasing, AAAI 2023.

    committee: L = mean_B GCE(f_m(x), y), m = 1..5, each at its best on validation
               aligned A = {i: p_y of f_m(x_i) > 0.99 for at least 3 m}
    fit:       L_b = mean over A of CE(f_b(x), y)
               L_d = mean_B W CE(f_d(x), y),   W = b / (b + d + 1e-8), as in LfF (Nam et al. 2020)

Departures: the authors choose each member's best state on the test split; here it is validation, after each pass over the
table and at the end. Where the committee agrees on nothing, the biased network stays as it was made, and W follows from
losses alone.
Axes: B example, N row of the training table, M member, C H W channel and pixel.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Annotated, final

import torch
from torch import Tensor, nn

from biasray.contract import Draw, Labels, Method, Objective, Scan, Stage
from biasray.losses import RelativeLoss, ce, full, gce, p_true
from biasray.recipe import Preset, Recipe
from biasray.space import Range


@dataclass(frozen=True, kw_only=True)
class Config:
    members: Annotated[int, Range(5, 9)] = 5
    """Networks of the committee."""
    steps: Annotated[int, Range(100, 3000, log=True)] = 1000
    """Updates of each."""
    sure: Annotated[float, Range(0.5, 0.999)] = 0.99
    """Probability above which a member finds an example aligned."""
    agree: Annotated[int, Range(1, 5)] = 3
    """Members that must find it so."""
    q: Annotated[float, Range(0.3, 0.9)] = 0.7
    """How much the committee prefers easy examples (q of the generalised cross-entropy)."""
    alpha: Annotated[float, Range(0.5, 0.99)] = 0.7
    """What LfF's moving average keeps of its old value."""

    def __post_init__(self) -> None:
        if not 1 <= self.agree <= self.members:
            raise ValueError(f"Setting 'agree' of bias-ensemble must be 1 to its {self.members} members, not {self.agree}.")


@final
class BiasEnsemble(Method):
    version = 2
    own = {
        "": Preset(recipe=Recipe(lr=1e-4, batch=64), epochs=100),
        **dict.fromkeys(("mnist", "cmnist"), Preset(recipe=Recipe(lr=1e-2, batch=256), epochs=100)),
    }

    def __init__(self, make: Callable[[int], nn.Module], labels: Labels, config: Config, epochs: int) -> None:
        super().__init__(make, labels, config, epochs)
        self.committee = [f"member_{number}" for number in range(config.members)]
        for name in self.committee:
            self.add_module(name, make(labels.classes))
        self.biased, self.debiased = make(labels.classes), make(labels.classes)
        self.config, self.epochs = config, epochs
        self.register_buffer("aligned_N", torch.zeros(len(labels.target_N), dtype=torch.bool))
        self.biased_loss = RelativeLoss(labels.target_N, labels.classes, config.alpha)
        self.debiased_loss = RelativeLoss(labels.target_N, labels.classes, config.alpha)

    def stages(self) -> tuple[Stage, ...]:
        survey = Stage("survey", None, after_epoch=self.survey)
        return (*map(self.member, self.committee), survey, Stage("fit", self.step, self.epochs, exposes=("biased",)))

    def member(self, name: str) -> Stage:
        step = partial(self.prefer_easy, name)
        return Stage(name, step, steps=self.config.steps, choose=self.get_submodule(name), keep=(name,))

    def predict(self, image_BCHW: Tensor) -> Tensor:
        logits: Tensor = self.debiased(image_BCHW)
        return logits

    def prefer_easy(self, name: str, draw: Draw) -> Iterator[Objective]:
        batch = draw()
        loss_B = gce(full(self.get_submodule(name)(batch.image)), batch.target, self.config.q)
        yield Objective((name,), self.world.mean(loss_B))

    def survey(self, scan: Scan) -> None:
        members = [self.get_submodule(name) for name in self.committee]
        for batch in scan():
            p_MB = torch.stack([p_true(full(network(batch.image)), batch.target) for network in members])
            aligned_B = (p_MB > self.config.sure).sum(0) >= self.config.agree
            self.world.put(self.get_buffer("aligned_N"), batch.index, aligned_B)

    def step(self, draw: Draw) -> Iterator[Objective]:
        batch = draw()
        loss_biased, loss_debiased = (ce(f(batch.image), batch.target) for f in (self.biased, self.debiased))
        b = self.biased_loss(self.world, batch, loss_biased)
        d = self.debiased_loss(self.world, batch, loss_debiased)
        yield Objective(("biased",), self.world.mean(loss_biased, self.get_buffer("aligned_N")[batch.index]))
        yield Objective(("debiased",), self.world.mean(b / (b + d + 1e-8) * loss_debiased))
