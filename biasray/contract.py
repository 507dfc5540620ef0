"""What a method is.

Axes: B example of this worker's part of a global batch, N row of a table, C H W channel and pixel.

Everything a method learns lives in its parameters and buffers, and whatever depends on them is a
callable: `stages()` is called anew in a resumed run, before the buffers are loaded.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from torch import Generator, Tensor, nn

from biasray.recipe import Preset
from biasray.world import Alone, World


class Batch(NamedTuple):
    index: Tensor  # type: ignore[assignment]  # (B,) int64, row of its table; hides tuple.index
    image: Tensor  # (B, C, H, W) float in [0, 1], channels last in memory
    target: Tensor  # (B,) int64
    bias: Tensor | None  # (B,) int64; None where the method is not told
    group: Tensor | None  # (B,) int64, target * biases + bias; None where bias is
    key: Tensor  # (B,) int64: the only source of randomness for views of the images


class Table(ABC):
    """Rows of examples that can be fetched in any order."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def fetch(self, index_B: Tensor, key_B: Tensor) -> Batch: ...


@dataclass(frozen=True)
class Labels:
    """What a method is told of the data before it sees an image."""

    target_N: Tensor  # (N,) int64 of the training table
    classes: int
    bias_N: Tensor | None = None  # (N,) int64; None for a method that does not declare that it needs it
    biases: int = 0
    rows: Mapping[str, int] | None = None  # lengths of all tables, by name
    secondary: Mapping[str, tuple[int, ...]] | None = None  # tables whose target is another attribute: examples of each value
    names: tuple[str, ...] = ()  # of the classes, to tell a user of them


class Objective(NamedTuple):
    networks: tuple[str, ...]  # submodules of the method that this loss updates
    loss: Tensor  # of the *global* batch: the same scalar on every worker


class Stream(NamedTuple):
    table: str = "train"
    times: int = 1  # multiple of the global batch size
    rows: Callable[[Generator], Tensor] | None = None  # the rows of an epoch, in order; None: a permutation


Draw = Callable[..., Batch]  # draw() or draw("unlabelled"): the next batch of that stream
Scan = Callable[..., Iterator[Batch]]  # scan() or scan("unlabelled"): every row once, in order, without gradient
Predict = Callable[[Tensor], Tensor]  # (B, C, H, W) -> (B, classes) logits


class Stage(NamedTuple):
    name: str
    step: Callable[[Draw], Iterator[Objective]] | None  # None: no training, only `after_epoch`
    epochs: int = 1  # an epoch ends with the rows of the first stream
    steps: int | None = None  # or so many steps in all
    streams: Mapping[str, Stream] = {"train": Stream()}
    fresh: tuple[str, ...] = ()  # networks that start again: weights, optimiser, schedule
    exposes: tuple[str, ...] = ()  # networks that are to learn the bias, and get wrong what contradicts it
    after_epoch: Callable[[Scan], None] | None = None  # writes buffers
    choose: Predict | None = None  # predictor to validate by; the best epoch's `keep` is kept
    keep: tuple[str, ...] = ()
    patience: int | None = None  # epochs without a better validation score before the stage ends


class Method(nn.Module, ABC):
    """A debiasing method: networks as submodules, buffers for all else that it learns, and its stages.

    `step(draw)` is a generator: it draws batches, yields an objective, is updated, and goes on.
    A subclass is found by discovery: one module of `biasray.methods`, whose name with dashes is
    the method's name, holds its frozen `Config` and one final class.
    """

    # "bias": told the bias label of each training example; "secondary": given tables of the attributes that must not matter
    needs: ClassVar[frozenset[str]] = frozenset()
    own: ClassVar[Mapping[str, Preset]]  # the paper's settings by data set; "" where the data set is not named
    version: ClassVar[int] = 1  # raised by hand when the method's results change
    reference: ClassVar[bool] = False  # shows what could be reached, and debiases nothing: no part of "all methods"
    fewest_epochs: ClassVar[int] = 1  # of the last stage
    world: World = Alone()  # set by the loop

    @abstractmethod
    def __init__(self, make: Callable[[int], nn.Module], labels: Labels, config: Any, epochs: int) -> None:
        """`make(outputs)` builds a network with `features` and `head`; `epochs` is the budget of the last stage."""
        super().__init__()

    @abstractmethod
    def stages(self) -> tuple[Stage, ...]: ...

    @abstractmethod
    def predict(self, image_BCHW: Tensor) -> Tensor:
        """(B, classes) logits of the debiased model."""


def networks(method: Method) -> list[str]:
    """Names of the submodules that are trained; of a wrapped method its own networks, by dotted names."""
    found: list[str] = []
    for name, child in method.named_children():
        if isinstance(child, Method):
            found += [f"{name}.{inner}" for inner in networks(child)]
        elif any(p.requires_grad for p in child.parameters()):
            found.append(name)
    return found
