"""A region classifier at all places of images.

Axes: N image, P place, K class, A place along one side, C channel, H W pixel, k pixel of a patch, J pixel of all patches, one
patch after another.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from biasray.attribution.classifier import RegionClassifier
from biasray.attribution.confidence import CONFIDENCES, Confidence
from biasray.data.dataset import Images
from biasray.metrics.calibration import BINS, Reliability, reliability
from biasray.networks.quick import quick
from biasray.predict import Precision, autocast

PATCHES = 512  # at a time: bounds memory, and so few stay in a CPU's cache


class Read(NamedTuple):
    """What a region classifier says of some images."""

    region_NAA: NDArray[np.float32]  # confidence at each place, on [0, 1]
    sure: Reliability  # (N, S) of all places of each image; zeros where the image has no label


@torch.inference_mode()
def probabilities(
    classifier: RegionClassifier, image_NHWC: Images, device: torch.device, precision: Precision
) -> Iterator[NDArray[np.float32]]:
    """(P, K) class probabilities at every place, image by image.

    Patches lie channels last beside the picture of their place, which is written once for all images; at most `PATCHES` of
    them are on their way at a time.
    """
    grid, channels, weight = classifier.grid, image_NHWC.shape[3] + 1, classifier.where.weight
    network = quick(classifier.network, (channels, grid.patch, grid.patch), precision == "bf16")
    kind = torch.bfloat16 if precision == "bf16" else weight.dtype
    row_Pk1, column_P1k = grid.pixels(torch.arange(grid.places, device=device))
    pixel_J = (row_Pk1 * grid.side + column_P1k).flatten()
    patch_JC = torch.empty(len(pixel_J), channels, device=device, dtype=kind)
    patch_JC[:, -1] = weight.flatten()
    patch_PCkk = patch_JC.view(grid.places, grid.patch, grid.patch, channels).permute(0, 3, 1, 2)
    for image_HWC in image_NHWC:
        seen_HWC = torch.tensor(image_HWC, device=device).to(weight.dtype).mul_(1 / 255).to(kind)
        patch_JC[:, :-1] = seen_HWC.flatten(0, 1).index_select(0, pixel_J)
        with autocast(device, precision):
            parts = [network(part) for part in patch_PCkk.split(PATCHES)]
        yield torch.cat(parts).to(weight.dtype).softmax(1).cpu().numpy()


def read(
    classifier: RegionClassifier,
    image_NHWC: Images,
    target_N: NDArray[np.int64],
    confidence: Confidence,
    device: torch.device,
    precision: Precision,
) -> Read:
    """Region maps, and how sure the classifier may be; a target of -1 is no label."""
    region_NAA, sums = [], []
    for target, p_PK in zip(target_N, probabilities(classifier, image_NHWC, device, precision), strict=True):
        region_NAA.append(CONFIDENCES[confidence](p_PK.astype(np.float64)).reshape(classifier.grid.across, -1))
        known = target >= 0
        sums.append(reliability(p_PK, np.full(len(p_PK), target)) if known else Reliability(*np.zeros((3, BINS))))
    return Read(np.stack(region_NAA).astype(np.float32), Reliability(*(np.stack(part) for part in zip(*sums, strict=True))))
