"""A region classifier at all places of images. Axes: N image, P place, K class, A place along one side, k pixel of a patch."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from biasray.attribution.classifier import RegionClassifier
from biasray.attribution.confidence import CONFIDENCES, Confidence
from biasray.data.dataset import Images
from biasray.metrics.calibration import BINS, Reliability, reliability
from biasray.predict import Precision, autocast

PATCHES = 4096  # at a time: bounds memory


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
    grid, kind = classifier.grid, classifier.where.weight.dtype
    row_Pk1, column_P1k = grid.pixels(torch.arange(grid.places, device=device))
    patch_PkkC = torch.empty(grid.places, grid.patch, grid.patch, image_NHWC.shape[3] + 1, device=device, dtype=kind)
    patch_PkkC[..., -1] = classifier.where.weight.view(-1, grid.patch, grid.patch)
    for image_HWC in image_NHWC:
        pixel_HWC = torch.tensor(image_HWC, device=device).to(kind).mul_(1 / 255)
        patch_PkkC[..., :-1] = pixel_HWC[row_Pk1, column_P1k]
        with autocast(device, precision):
            parts = [classifier.network(part.permute(0, 3, 1, 2)) for part in patch_PkkC.split(PATCHES)]
        yield torch.cat(parts).to(kind).softmax(1).cpu().numpy()


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
