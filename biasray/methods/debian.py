"""DebiAN: a discoverer splits each class so that the classifier treats the halves differently; the worse half counts more.

Li, Hoogs, Xu: Discover and Mitigate Unknown Biases with Debiasing Alternate Networks, ECCV 2022.

For each class t of a batch, with s = sigmoid(D(x))_y and p = the classifier's p_y:

    g+ = sum s p / (sum s + eps),  g- = sum (1 - s) p / (sum (1 - s) + eps)
    discoverer: L_D = mean_t [ -log(eps + |g+ - g-|) - lambda log(eps + 1 - |mean s - mean (1 - s)|) ]
    classifier: L_C = mean_B (1 + s) CE(f(x), y),   with 1 - s for s in classes where g- < g+

In each step the discoverer learns first, from a batch of its own, then the classifier from another; the one that does not
learn is in evaluation mode. eps = 1e-6. Departure: in the authors' code the classifier comes first in each step.
Axes: B example, T class, K class, C H W channel and pixel.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, NamedTuple, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from biasray.contract import Draw, Labels, Method, Objective, Stage, Stream
from biasray.losses import ce, full, p_true
from biasray.recipe import Preset, Recipe
from biasray.space import Range

EPS = 1e-6


@dataclass(frozen=True, kw_only=True)
class Config:
    balance: Annotated[float, Range(0.1, 10, log=True)] = 1.0
    """lambda, how strongly the two halves of a class are kept equally large."""


class Halves(NamedTuple):
    """Of each class in the global batch."""

    plus_T: Tensor  # g+
    minus_T: Tensor  # g-
    share_T: Tensor  # mean of s
    here_T: Tensor  # whether the batch holds the class


@final
class DebiAN(Method):
    own = {
        "": Preset(recipe=Recipe(lr=1e-4, weight_decay=1e-4, batch=256), epochs=100),
        **dict.fromkeys(("mnist", "cmnist"), Preset(recipe=Recipe(lr=1e-3, batch=256), epochs=100)),
    }

    def __init__(self, make: Callable[[int], nn.Module], labels: Labels, config: Config, epochs: int) -> None:
        super().__init__(make, labels, config, epochs)
        self.classifier, self.discoverer = make(labels.classes), make(labels.classes)
        self.balance, self.epochs, self.classes = config.balance, epochs, labels.classes

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("fit", self.step, self.epochs, streams={"train": Stream(), "discover": Stream()}),)

    def predict(self, image_BCHW: Tensor) -> Tensor:
        logits: Tensor = self.classifier(image_BCHW)
        return logits

    def halves(self, p_B: Tensor, s_B: Tensor, target_B: Tensor) -> Halves:
        one_BT = F.one_hot(target_B, self.classes).to(p_B.dtype)
        column_4B = torch.stack([s_B * p_B, s_B, (1 - s_B) * p_B, 1 - s_B])
        # Not a product of matrices, which autocast would round to bfloat16: the difference of g+ and g- is small.
        sp_T, s_T, rp_T, r_T = self.world.sum((column_4B[:, :, None] * one_BT).sum(1))
        n_T = s_T.detach() + r_T.detach()
        return Halves(sp_T / (s_T + EPS), rp_T / (r_T + EPS), s_T / n_T.clamp(min=1), n_T > 0.5)

    def step(self, draw: Draw) -> Iterator[Objective]:
        batch = draw("discover")
        p_B = p_true(full(resting(self.classifier, batch.image)), batch.target)
        found = self.halves(p_B, half(self.discoverer(batch.image), batch.target), batch.target)
        apart_T = -(EPS + (found.plus_T - found.minus_T).abs()).log()
        unequal_T = -(EPS + 1 - (2 * found.share_T - 1).abs()).log()
        loss_T = torch.where(found.here_T, apart_T + self.balance * unequal_T, torch.zeros_like(apart_T))
        yield Objective(("discoverer",), loss_T.sum() / found.here_T.sum())

        batch = draw()
        s_B = half(resting(self.discoverer, batch.image), batch.target)
        logits_BK = full(self.classifier(batch.image))
        found = self.halves(p_true(logits_BK.detach(), batch.target), s_B, batch.target)
        worse_B = torch.where((found.minus_T < found.plus_T)[batch.target], 1 - s_B, s_B)
        yield Objective(("classifier",), self.world.mean((1 + worse_B) * ce(logits_BK, batch.target)))


def half(logits_BK: Tensor, target_B: Tensor) -> Tensor:
    """(B,) s: how surely the discoverer puts each example into the first half of its class."""
    return full(logits_BK).sigmoid().gather(1, target_B[:, None])[:, 0]


def resting(network: nn.Module, image_BCHW: Tensor) -> Tensor:
    """What a network puts out in evaluation mode, without a gradient."""
    network.eval()
    with torch.no_grad():
        logits: Tensor = network(image_BCHW)
    network.train()
    return logits
