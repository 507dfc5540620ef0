"""The region classifier: tells a property of the whole image from one patch of it and where the patch was.

De Coninck, Leroux, Simoens: Mitigating bias using model-agnostic data attribution, CVPR workshops 2024, section 3.1. An image
shows its label at a patch as far as the classifier can be sure there:

    L = mean_B CE_e(f([x_p, E_p]), y)      p drawn anew for each image and step, E_p a learnt picture of the place p

CE_e is cross-entropy with label smoothing e; [x_p, E_p] is the patch with one more channel. The paper's settings: ResNet-18,
patches of 32 in images of 128 pixels, 45 x 45 places, smoothing 0.1, AdamW 1e-3 divided by 10 every 40 of 90 epochs, batch 256.
Departures: an image without a label trains nothing. Validation looks at `JUDGED` places along each side.
Axes: B example, K class, P place, C H W channel and pixel, k pixel of a patch.
"""

from collections.abc import Iterator
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from biasray.attribution.regions import Grid
from biasray.contract import Draw, Method, Objective, Stage
from biasray.random import uniform

JUDGED = 3


@final
class RegionClassifier(Method):
    def __init__(self, network: nn.Module, grid: Grid, smoothing: float, epochs: int) -> None:
        """`network` takes patches with one more channel than images have."""
        nn.Module.__init__(self)
        self.grid, self.smoothing, self.epochs = grid, smoothing, epochs
        self.network = network
        self.where = nn.Embedding(grid.places, grid.patch**2)
        nn.init.normal_(self.where.weight, std=0.02)  # as the position embeddings of vision transformers begin

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("fit", self.step, self.epochs),)

    def step(self, draw: Draw) -> Iterator[Objective]:
        batch = draw()
        place_B = (uniform(batch.key, 1)[:, 0] * self.grid.places).long()
        logits_BK = self.at(batch.image, place_B)
        loss_B = F.cross_entropy(logits_BK, batch.target, reduction="none", label_smoothing=self.smoothing)
        yield Objective(("network", "where"), self.world.mean(loss_B))

    def at(self, image_BCHW: Tensor, place_B: Tensor) -> Tensor:
        """(B, K) logits of each image by its patch at one place."""
        patch_BCkk = self.grid.cut(image_BCHW, place_B)
        where_B1kk = self.where(place_B).view(-1, 1, self.grid.patch, self.grid.patch).to(patch_BCkk.dtype)
        logits: Tensor = self.network(torch.cat([patch_BCkk, where_B1kk], 1).contiguous(memory_format=torch.channels_last))
        return logits

    def predict(self, image_BCHW: Tensor) -> Tensor:
        """(B, K) logarithm of the mean probability over some places."""
        step = torch.linspace(0, self.grid.across - 1, min(JUDGED, self.grid.across)).round().long().tolist()
        places = [row * self.grid.across + column for row in step for column in step]
        one_B = torch.ones(len(image_BCHW), dtype=torch.long, device=image_BCHW.device)
        p_JBK = torch.stack([self.at(image_BCHW, place * one_B).float().softmax(1) for place in places])
        return p_JBK.mean(0).clamp_min(1e-12).log()
