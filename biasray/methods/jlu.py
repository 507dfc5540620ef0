"""JLU, joint learning and unlearning: heads learn to tell attributes by a representation that is made to confuse them.

Alvi, Zisserman, Nellaker: Turning a Blind Eye, ECCV workshops 2018, as Yadav and Ramakrishnan describe it (Identifying and
removing bias from neural nets). f is the representation, h its head, h_s that of an attribute s with K_s values:

    learn s:  L_s = mean_B CE(h_s(f(x)), s)      while L_s > enough H_s, at most `most` times in a step
    unlearn:  L = mean_B CE(h(f(x)), y) + alpha sum_s C_s,      C_s = -mean_B 1/K_s sum_k log p_k(h_s(f(x)))

C_s is the cross-entropy of the uniform distribution and p, log K_s at the least; H_s is the loss of a head that says of every
image how frequent each value is, log K_s where all are alike. Images of L_s and C_s come from a table of their own, which need
not hold the target. Routing 'alvi': L_s moves h_s alone, and L moves f and h; 'printed', as the second paper writes it: L_s
moves f and h_s, L moves f, h and each h_s.

Departures: the papers do not say when L_s is optimised, hence `enough` and `most`. Alvi et al. start from a network that
knows faces, hence `first`. The second paper names neither optimiser nor rate. C_s is computed on the images that s was last
learnt from, which saves a pass.
Axes: B example, S slot of time, A attribute, D feature, C H W channel and pixel.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal, final

import torch
from torch import Tensor, nn

from biasray.contract import Batch, Draw, Labels, Method, Objective, Stage, Stream
from biasray.losses import ce, full
from biasray.networks.network import Network
from biasray.recipe import Preset, Recipe
from biasray.space import Range

SLOTS = 64  # of an epoch, in each of which the duel of the losses is noted


@dataclass(frozen=True, kw_only=True)
class Config:
    alpha: Annotated[float, Range(0, 2)] = 1.0
    """How much confusion counts beside the target; 0 unlearns nothing, and the heads only show what could be told."""
    enough: Annotated[float, Range(0.1, 1)] = 0.5
    """An attribute is learnt for now where its loss is this share of what a guess by frequency has."""
    most: Annotated[int, Range(1, 10)] = 1
    """Times that an attribute is learnt in a step, at most."""
    routing: Literal["alvi", "printed"] = "alvi"
    """Which losses move what."""
    first: Annotated[int, Range(0, 40)] = 0
    """Epochs before, in which the target is learnt and nothing unlearnt: alpha is 0."""

    def __post_init__(self) -> None:
        if self.most < 1:
            raise ValueError(f"Setting 'most' of jlu is at least 1, not {self.most}.")


@final
class JLU(Method):
    needs = frozenset({"secondary"})
    own = {"": Preset(recipe=Recipe(lr=1e-3, batch=128), epochs=100)}

    def __init__(self, make: Callable[[int], nn.Module], labels: Labels, config: Config, epochs: int) -> None:
        super().__init__(make, labels, config, epochs)
        network = make(labels.classes)
        assert isinstance(network, Network)
        self.network, self.config, self.epochs = network, config, epochs
        assert labels.secondary
        self.guess, self.rows = {name: entropy(counts) for name, counts in labels.secondary.items()}, len(labels.target_N)
        for k, counts in enumerate(labels.secondary.values()):
            self.add_module(f"tells_{k}", nn.Linear(network.head.in_features, len(counts)))
        self.register_buffer("seen", torch.zeros((), dtype=torch.long))  # examples of the target, in all
        slots = SLOTS * (config.first + epochs)
        self.register_buffer("duel_S2A", torch.zeros(slots, 2, len(self.guess)))  # sums of L_s, of C_s
        self.register_buffer("steps_S", torch.zeros(slots))

    def stages(self) -> tuple[Stage, ...]:
        streams = {"train": Stream()} | {name: Stream(name) for name in self.guess}
        start = Stage("start", partial(self.step, alpha=0), self.config.first, streams=streams)
        fit = Stage("fit", partial(self.step, alpha=self.config.alpha), self.epochs, streams=streams)
        return (start, fit) if self.config.first else (fit,)

    def predict(self, image_BCHW: Tensor) -> Tensor:
        logits: Tensor = self.network(image_BCHW)
        return logits

    def step(self, draw: Draw, alpha: float) -> Iterator[Objective]:
        apart, heads = self.config.routing == "alvi", [f"tells_{k}" for k in range(len(self.guess))]
        duel, last = list[Tensor](), list[tuple[Tensor, Tensor]]()
        for head, (name, guess) in zip(heads, self.guess.items(), strict=True):
            for _ in range(self.config.most):
                batch = draw(name)
                feature_BD = self.network.features(batch.image)
                told = self.told(head, feature_BD.detach() if apart else feature_BD)
                loss = self.world.mean(ce(told, batch.target))
                if loss.item() <= self.config.enough * guess:  # the same on every worker
                    break
                yield Objective((head,) if apart else (head, "network"), loss)
            duel.append(loss.detach())
            last.append((batch.image, feature_BD))
        batch = draw()
        loss = self.world.mean(ce(full(self.network(batch.image)), batch.target))
        for head, (image_BCHW, feature_BD) in zip(heads, last, strict=True):
            told = self.told(head, feature_BD if apart else self.network.features(image_BCHW))  # which has moved since
            confusion = self.world.mean(-told.log_softmax(1).mean(1))
            duel.append(confusion.detach())
            loss = loss + alpha * confusion
        self.note(batch, torch.stack(duel))
        yield Objective(("network",) if apart else ("network", *heads), loss)

    def told(self, head: str, feature_BD: Tensor) -> Tensor:
        """(B, K) logits of an attribute."""
        return full(self.get_submodule(head)(feature_BD))

    def note(self, batch: Batch, loss_2A: Tensor) -> None:
        """Add the losses of all attributes, learning before confusion, to those of the present slot of time."""
        seen, duel_S2A, steps_S = map(self.get_buffer, ("seen", "duel_S2A", "steps_S"))
        slot_1 = (seen * SLOTS // self.rows).clamp(max=len(steps_S) - 1)[None]
        duel_S2A.index_add_(0, slot_1, loss_2A.view(1, 2, -1).to(duel_S2A.dtype))
        steps_S.index_add_(0, slot_1, torch.ones_like(steps_S[:1]))
        seen.add_(self.world.sum(torch.ones_like(batch.index).sum()))


def entropy(counts: Sequence[int]) -> float:
    """Loss of a guess by frequency."""
    share = [n / sum(counts) for n in counts if n]
    return -sum(p * math.log(p) for p in share)
