"""What members that look at faces answer. Axes: M member, T image, B image of a batch, H W C."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from biasray.data.dataset import Images
from biasray.networks import Shape
from biasray.predict import autocast
from biasray.zoo.faces import seen, told
from biasray.zoo.stacked import fusable, sketch, stack

PACK = 16  # members in one program
AT_ONCE = 250  # images

Answers = dict[str, NDArray[np.float32]]  # (M, T) by target: age in years, probability of a man


@torch.inference_mode()
def answers(
    index: pd.DataFrame, weight_MP: Tensor, about: tuple[str, Shape, int], image_THWC: Images, device: torch.device
) -> Answers:
    """What these members of one network, with the rows of their zoo's index, answer to each image."""
    network, shape, outputs = about
    targets, precision = index["targets"].iloc[0].split(" and "), index["precision"].iloc[0]
    width = PACK if fusable(sketch(network, shape, outputs)) else 1
    found = []
    for pack_MP in weight_MP.to(device).split(width):
        stacked, parts = stack(network, shape, outputs, len(pack_MP), "grouped"), list[Tensor]()
        at, tensors = stacked.layout, stacked.layout.take(pack_MP)
        buffers = {entry.name: tensors[entry.name].contiguous() for entry in at.entries if not entry.trained}
        for image_BHWC in torch.from_numpy(image_THWC).split(AT_ONCE):
            seen_BHWC = seen(image_BHWC.to(device), shape[1], torch.float32)
            with autocast(device, precision):
                parts.append(stacked(pack_MP[:, : at.trained], buffers, seen_BHWC.expand(len(pack_MP), -1, -1, -1, -1)).float())
        found.append(_read(torch.cat(parts, 1), targets))
    return {target: np.concatenate([part[target] for part in found]) for target in targets}


def _read(output_MTK: Tensor, targets: Sequence[str]) -> Answers:
    age_MT, logits_MTK = told(output_MTK, targets)
    read = {"age": age_MT, "gender": None if logits_MTK is None else logits_MTK.softmax(2)[..., 1]}
    return {target: read_MT.cpu().numpy() for target, read_MT in read.items() if read_MT is not None}
