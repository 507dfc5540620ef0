"""What a biased network can learn that is told the bias: two references for those that have to find it. It debiases nothing.

Zhang, Wang, Hu, Duan, Zheng, Huai, Han, Sang: Poisoning for Debiasing, MM 2024, section 2.3 and figure 2 (c, d).

    poisoned: L = mean_B CE(f_p(x), present label); in each batch conflicting examples get f_p's prediction as theirs    (3)
    ideal:    L = mean_B CE(f_i(x), bias)

An example is conflicting where its bias value is not its target's. Departures: none known. What it predicts is the poisoned
network's.
Axes: B example, N row of the training table, K class, C H W channel and pixel.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import final

from torch import Tensor, nn

from biasray.contract import Draw, Labels, Method, Objective, Stage
from biasray.losses import ce
from biasray.recipe import Preset, Recipe


@dataclass(frozen=True, kw_only=True)
class Config:
    """The oracle has no settings of its own."""


@final
class Oracle(Method):
    needs = frozenset({"bias"})
    reference = True
    own = {"": Preset(recipe=Recipe(lr=1e-3, batch=256), epochs=50)}

    def __init__(self, make: Callable[[int], nn.Module], labels: Labels, config: Config, epochs: int) -> None:
        super().__init__(make, labels, config, epochs)
        self.poisoned, self.ideal = make(labels.classes), make(max(labels.biases, labels.classes))
        self.epochs = epochs
        self.register_buffer("label_N", labels.target_N.clone())

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("fit", self.step, self.epochs, exposes=("poisoned", "ideal")),)

    def predict(self, image_BCHW: Tensor) -> Tensor:
        logits: Tensor = self.poisoned(image_BCHW)
        return logits

    def step(self, draw: Draw) -> Iterator[Objective]:
        batch, label_N = draw(), self.get_buffer("label_N")
        assert batch.bias is not None
        logits_BK, conflicting_B = self.poisoned(batch.image), batch.bias != batch.target
        self.world.put(label_N, batch.index[conflicting_B], logits_BK.argmax(1)[conflicting_B])
        yield Objective(("poisoned",), self.world.mean(ce(logits_BK, label_N[batch.index])))
        yield Objective(("ideal",), self.world.mean(ce(self.ideal(batch.image), batch.bias)))
