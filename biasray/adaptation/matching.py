"""What FixMatch and FlexMatch share: a strong view is to be told as the weak view is, where that is sure.

Axes: B example, P row of the pool, K class, C H W channel and pixel.
"""

import copy
from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from biasray.adaptation.balance import Balance, counted, shares, thinned, told
from biasray.adaptation.views import strong, weak
from biasray.contract import Batch, Draw, Labels, Method, Objective, Scan, Stage, Stream
from biasray.losses import ce, full
from biasray.random import uniform
from biasray.recipe import Preset, Recipe

OWN = {"": Preset(recipe=Recipe(optimiser="sgd", lr=0.03, weight_decay=5e-4, batch=64, schedule="cosine"), epochs=20)}
THIN = 9  # purpose of the random numbers that leave pseudo-labels out


@dataclass(frozen=True, kw_only=True)
class Config:
    threshold: float = 0.95
    """Least probability of a pseudo-label."""
    balance: Balance = "none"
    """Shares of the classes among pseudo-labels: as they come (none), equal, or estimated."""
    mu: int = 7
    """Unlabelled images for each labelled one."""
    weight: float = 1.0
    """Of the unlabelled loss."""
    decay: float = 0.999
    """Of the moving average of weights that predicts."""
    align: bool = False
    """Distribution alignment: probabilities are divided by their mean over the pool, times the labelled images' shares."""

    def __post_init__(self) -> None:
        if not 0 <= self.threshold < 1 or self.mu < 1 or self.weight < 0 or not 0 <= self.decay < 1:
            raise ValueError("threshold and decay must be from 0 to below 1, mu at least 1, weight 0 or more.")


class Matching(Method):
    own = OWN

    def __init__(self, make: Callable[[int], nn.Module], labels: Labels, config: Config, epochs: int) -> None:
        super().__init__(make, labels, config, epochs)
        self.network, self.config, self.epochs, self.classes = make(labels.classes), config, epochs, labels.classes
        self.average = copy.deepcopy(self.network).requires_grad_(False)
        assert labels.rows
        self.pool, self.known = labels.rows["unlabelled"], labels.rows["validation"]
        prior_K = torch.bincount(labels.target_N, minlength=labels.classes) / len(labels.target_N)
        self.register_buffer("prior_K", prior_K, persistent=False)
        self.register_buffer("mean_K", prior_K.clone())  # moving average of what the pool is told as
        self.register_buffer("share_K", torch.zeros(labels.classes))

    def stages(self) -> tuple[Stage, ...]:
        streams = {"labelled": Stream(), "pool": Stream("unlabelled", self.config.mu)}
        first = Stage("tell", None, after_epoch=self.tell)
        return (first, Stage("match", self.step, self.epochs, streams=streams))

    def predict(self, image_BCHW: Tensor) -> Tensor:
        logits: Tensor = self.average(image_BCHW)
        return logits

    @abstractmethod
    def thresholds(self) -> Tensor:
        """(K,) least probability of a pseudo-label of each class."""

    def note(self, batch: Batch, label_B: Tensor, p_B: Tensor) -> None:
        """Remember what was told, where thresholds depend on it."""

    def tell(self, scan: Scan) -> None:
        """The shares that classes are to have, by the start model."""
        share_K = self.get_buffer("share_K")
        p_PK, _ = told(self.network, scan, "unlabelled", self.pool, share_K, self.world)
        found_K = shares(self.config.balance, p_PK, *told(self.network, scan, "validation", self.known, share_K, self.world))
        share_K.copy_(torch.ones(self.classes) if found_K is None else found_K)

    def step(self, draw: Draw) -> Iterator[Objective]:
        few, many = draw(), draw("pool")
        with torch.no_grad():
            weak_BCHW = weak(many.image, many.key)
            p_BK = self.aligned(full(self.network(weak_BCHW)).softmax(1))
            p_B, label_B = p_BK.max(1)
            sure_B = p_B >= self.thresholds()[label_B]
            self.note(many, label_B, p_B)
            count_K = self.world.sum(counted(label_B, sure_B, self.classes).double())
            share_K = None if self.config.balance == "none" else self.get_buffer("share_K")
            keep_B = thinned(sure_B, label_B, share_K, count_K, uniform(many.key, 1, THIN)[:, 0].to(p_B.device))
        row_L = keep_B.nonzero()[:, 0]  # the others' loss would be 0 times something
        views = torch.cat([weak(few.image, few.key), strong(weak_BCHW[row_L], many.key[row_L])])
        few_BK, sure_LK = full(self.network(views)).split([len(few.image), len(row_L)])
        loss_B = torch.zeros_like(p_B).index_copy(0, row_L, ce(sure_LK, label_B[row_L]))
        loss = self.world.mean(ce(few_BK, few.target)) + self.config.weight * self.world.mean(loss_B)
        yield Objective(("network",), loss)
        with torch.no_grad():
            for old, new in zip(self.average.state_dict().values(), self.network.state_dict().values(), strict=True):
                old.lerp_(new, 1 - self.config.decay) if old.is_floating_point() else old.copy_(new)

    def aligned(self, p_BK: Tensor) -> Tensor:
        if not self.config.align:
            return p_BK
        mean_K = self.get_buffer("mean_K")
        mean_K.lerp_(torch.stack([self.world.mean(p_B) for p_B in p_BK.T]).to(mean_K), 0.001)
        scaled_BK = p_BK * self.get_buffer("prior_K") / mean_K
        return scaled_BK / scaled_BK.sum(1, keepdim=True)
