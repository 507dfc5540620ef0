"""Poisoner: a network is made to learn the bias and nothing else by poisoning the labels of what contradicts it.

Zhang, Wang, Hu, Duan, Zheng, Huai, Han, Sang: Poisoning for Debiasing, MM 2024.

    poison: z = f/|f| of the biased network; J(i) the others of the batch with i's present label, A(i) all others
            d(i) = -1/|J(i)| sum_{j in J(i)} log( exp(z_i.z_j) / sum_{a in A(i)} exp(z_i.z_a) )             (4)
            the p % with the largest d get the biased network's prediction as their label, and keep it   (5, 6)
            L_b = mean_B CE(f_b(x), present label), on class-balanced batches                               (7)
    debias: right by the biased network = aligned (a), else conflicting (c), with the labels as they came
            L_d = mean_B w k CE(f_d(x), y),   w_a = N / N_a,  w_c = lambda N / N_c                        (8, 9)
            k_c = 1,  k_a = ((1 - mean_c p_y) / (1 - mean_a p_y))^gamma, means over the batch            (10, 11)

Departures, where the paper is silent: the first stage has as many epochs as the second; lambda is 1.25, the middle of
'between 1 and 1.5'; an example alone with its label in a batch has d = 0 and is not poisoned; k = 1 in a batch that lacks
either kind, and its means carry no gradient. Batches are balanced by the labels as poisoned when their epoch begins, with
rows drawn with replacement, so that J(i) may hold copies of i.
Axes: B example, N row of the training table, D feature, C H W channel and pixel.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from biasray.contract import Draw, Labels, Method, Objective, Scan, Stage, Stream
from biasray.losses import ce, full, p_true
from biasray.networks.network import Network
from biasray.recipe import Preset, Recipe
from biasray.sampling import balanced
from biasray.space import Range
from biasray.world import part


@dataclass(frozen=True, kw_only=True)
class Config:
    p: Annotated[float, Range(1, 20)] = 5.0
    """Per cent of a batch that are poisoned; 0 makes the biased network plain ERM."""
    emphasis: Annotated[float, Range(1, 1.5)] = 1.25
    """lambda, how much more all conflicting examples count than all aligned ones."""
    gamma: Annotated[float, Range(0, 2)] = 1.0
    """Of the group-wise inverse focal loss; 0 switches it off."""
    reweight: bool = True
    """Whether the groups are weighted (equation 8)."""
    poison_epochs: Annotated[int | None, Range(1, 60, log=True)] = None
    """Epochs of the first stage. Default: as many as the second has."""

    def __post_init__(self) -> None:
        if self.p > 100 or self.poison_epochs == 0:
            raise ValueError("Setting 'p' of poisoner is 0 to 100 per cent, and 'poison_epochs' at least 1, or null.")


@final
class Poisoner(Method):
    own = {
        "": Preset(recipe=Recipe(lr=1e-3, batch=256), epochs=100),
        "celeba": Preset(recipe=Recipe(lr=1e-3, batch=256), epochs=50, settings={"p": 10}),
    }

    def __init__(self, make: Callable[[int], nn.Module], labels: Labels, config: Config, epochs: int) -> None:
        super().__init__(make, labels, config, epochs)
        biased, self.debiased = make(labels.classes), make(labels.classes)
        assert isinstance(biased, Network)
        self.biased = biased
        self.config, self.epochs = config, epochs
        self.register_buffer("label_N", labels.target_N.clone())
        self.register_buffer("aligned_N", torch.ones(len(labels.target_N), dtype=torch.bool))

    def stages(self) -> tuple[Stage, ...]:
        epochs = self.epochs if self.config.poison_epochs is None else self.config.poison_epochs
        stream = Stream(rows=lambda generator: balanced(self.get_buffer("label_N"), generator))
        return (
            Stage("poison", self.poison, epochs, streams={"train": stream}, exposes=("biased",)),
            Stage("survey", None, after_epoch=self.survey),
            Stage("debias", self.debias, self.epochs),
        )

    def predict(self, image_BCHW: Tensor) -> Tensor:
        logits: Tensor = self.debiased(image_BCHW)
        return logits

    def poison(self, draw: Draw) -> Iterator[Objective]:
        batch, label_N = draw(), self.get_buffer("label_N")
        feature_BD = self.biased.features(batch.image)
        logits_BK = self.biased.head(feature_BD)
        # Of the global batch, whose conflicting examples every worker finds alike.
        d_B = contradiction(self.world.gather(F.normalize(full(feature_BD))), self.world.gather(label_N[batch.index]))
        mine_B = part(d_B > d_B.quantile(1 - self.config.p / 100), self.world)
        self.world.put(label_N, batch.index[mine_B], logits_BK.argmax(1)[mine_B])
        yield Objective(("biased",), self.world.mean(ce(logits_BK, label_N[batch.index])))

    def survey(self, scan: Scan) -> None:
        for batch in scan():
            self.world.put(self.get_buffer("aligned_N"), batch.index, self.biased(batch.image).argmax(1) == batch.target)

    def debias(self, draw: Draw) -> Iterator[Objective]:
        batch, aligned_N = draw(), self.get_buffer("aligned_N")
        logits_BK, aligned_B = full(self.debiased(batch.image)), aligned_N[batch.index]
        hard_B = 1 - p_true(logits_BK.detach(), batch.target)
        n_aligned, n_conflicting = self.world.sum(torch.stack([aligned_B.sum(), (~aligned_B).sum()]))
        ratio = self.world.mean(hard_B, ~aligned_B).clamp(min=1e-6) / self.world.mean(hard_B, aligned_B).clamp(min=1e-6)
        k = torch.where((n_aligned > 0) & (n_conflicting > 0), ratio**self.config.gamma, torch.ones_like(ratio))
        weight_B = torch.where(aligned_B, k, torch.ones_like(k))
        if self.config.reweight:
            n, n_a = len(aligned_N), aligned_N.sum()
            group_B = torch.where(aligned_B, n / n_a.clamp(min=1), self.config.emphasis * n / (n - n_a).clamp(min=1))
            weight_B = weight_B * group_B.to(weight_B.dtype)
        yield Objective(("debiased",), self.world.mean(weight_B * ce(logits_BK, batch.target)))


def contradiction(z_BD: Tensor, label_B: Tensor) -> Tensor:
    """(B,) how far each example is from those with its label, against all others: d of equation 4."""
    with torch.autocast(z_BD.device.type, enabled=False):  # in bfloat16 many would be equally far
        other_BB = ~torch.eye(len(z_BD), dtype=torch.bool, device=z_BD.device)
        log_p_BB = (z_BD @ z_BD.T).masked_fill(~other_BB, -torch.inf).log_softmax(1)
        same_BB = (label_B[:, None] == label_B) & other_BB
        return -log_p_BB.masked_fill(~same_BB, 0).sum(1) / same_BB.sum(1).clamp(min=1)
