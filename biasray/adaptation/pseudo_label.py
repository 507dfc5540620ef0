"""Offline self-training with pseudo-balancing, as it was run for 'Fairness Without Labels' (Dong et al. 2025, 'paper mode').

Rounds: the present model tells the whole pool; images with max_K p > eps get its class as their label; of the larger class so
many are left out at random as the balance asks for; training goes on on these alone:

    L = mean_B CE(f(x_B), y~_B)

Own settings: eps 0.9, 5 rounds of at most 10 epochs, patience 2, SGD 1e-3 with momentum 0.9, batch 16.
Departures: patience is judged on labelled validation images of the start model's own data, and a flip and a shift are drawn
for each image; rounds are not chosen on the test images.
Axes: B example, P row of the pool, K class, C H W channel and pixel.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import final

import torch
from torch import Generator, Tensor, nn

from biasray.adaptation.balance import Balance, chosen, shares, told
from biasray.adaptation.views import weak
from biasray.contract import Draw, Labels, Method, Objective, Scan, Stage, Stream
from biasray.losses import ce
from biasray.recipe import Preset, Recipe


@dataclass(frozen=True, kw_only=True)
class Config:
    threshold: float = 0.9
    """Least probability of a pseudo-label."""
    balance: Balance = "equal"
    """Shares of the classes among pseudo-labels: as they come (none), equal, or estimated."""
    rounds: int = 5
    patience: int = 2
    """Epochs without a better validation accuracy after which a round ends."""

    def __post_init__(self) -> None:
        if not 0 <= self.threshold < 1 or min(self.rounds, self.patience) < 1:
            raise ValueError("threshold must be from 0 to below 1, rounds and patience at least 1.")


@final
class PseudoLabel(Method):
    own = {"": Preset(recipe=Recipe(optimiser="sgd", lr=1e-3, batch=16), epochs=10)}

    def __init__(self, make: Callable[[int], nn.Module], labels: Labels, config: Config, epochs: int) -> None:
        super().__init__(make, labels, config, epochs)
        self.network, self.config, self.epochs = make(labels.classes), config, epochs
        assert labels.rows
        self.pool, self.known = labels.rows["unlabelled"], labels.rows["validation"]
        self.names = labels.names or tuple(f"class {k}" for k in range(labels.classes))
        self.register_buffer("p_PK", torch.zeros(self.pool, labels.classes))
        self.register_buffer("share_K", torch.zeros(labels.classes))  # of the classes, by the start model
        self.register_buffer("kept_P", torch.zeros(self.pool, dtype=torch.bool))  # learnt from in this round

    def stages(self) -> tuple[Stage, ...]:
        pool, found = {"pool": Stream("unlabelled", rows=self.rows)}, []
        for k in range(self.config.rounds):
            found.append(Stage(f"tell {k + 1}", None, after_epoch=self.tell))
            found.append(
                Stage(
                    f"learn {k + 1}",
                    self.step,
                    self.epochs,
                    streams=pool,
                    choose=self.predict,
                    keep=("network",),
                    patience=self.config.patience,
                )
            )
        return tuple(found)

    def predict(self, image_BCHW: Tensor) -> Tensor:
        logits: Tensor = self.network(image_BCHW)
        return logits

    def tell(self, scan: Scan) -> None:
        p_PK, share_K = self.get_buffer("p_PK"), self.get_buffer("share_K")
        p_PK.copy_(told(self.network, scan, "unlabelled", self.pool, share_K, self.world)[0])
        self.get_buffer("kept_P").zero_()
        if not share_K.any():
            known = told(self.network, scan, "validation", self.known, share_K, self.world)
            found_K = shares(self.config.balance, p_PK, *known)
            share_K.copy_(torch.ones_like(share_K) if found_K is None else found_K)

    def rows(self, generator: Generator) -> Tensor:
        kept_P = self.get_buffer("kept_P")
        if not kept_P.any():
            p_P, label_P = self.get_buffer("p_PK").max(1)
            label_P = torch.where(p_P > self.config.threshold, label_P, -1)
            share_K = None if self.config.balance == "none" else self.get_buffer("share_K")
            kept_P[chosen(label_P, share_K, self.names, generator).to(kept_P.device)] = True
        row_R = kept_P.nonzero()[:, 0].cpu()
        return row_R[torch.randperm(len(row_R), generator=generator)]

    def step(self, draw: Draw) -> Iterator[Objective]:
        batch = draw()
        label_B = self.get_buffer("p_PK")[batch.index].argmax(1)
        yield Objective(("network",), self.world.mean(ce(self.network(weak(batch.image, batch.key)), label_B)))
