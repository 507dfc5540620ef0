"""ImageNet-B, made by us in the manner of Zhang et al. 2024: ten classes of objects, ten corruptions of their images.

The data set of that name has no public copy. From a folder in ImageNet's layout (train/CLASS/*.JPEG, val/CLASS/*.JPEG) this
takes ten classes: all, or the first ten by name. In training 95 % of the images of class k have corruption k, the others any
of the other nine; validation, a tenth of train/, likewise; test images, those of val/, have each corruption equally often.
Which one an image gets depends on the names of its class's files alone. Corruptions are of middling strength, on 128 pixels
a side.
"""

import io
from collections.abc import Callable, Sequence
from functools import cache
from typing import final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

from biasray import storage
from biasray.data.adapter import Adapter, Index
from biasray.data.dataset import Images
from biasray.data.decode import Changed, decode
from biasray.random import rng

CLASSES, AGREEMENT, SIDE = 10, 0.95, 128
Draw = np.random.Generator


def _clipped(x: NDArray[np.floating]) -> Images:
    return np.asarray(x.round().clip(0, 255), np.uint8)


def _jpeg(image: Image.Image) -> Image.Image:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=8)
    return Image.open(out)


def _fog(image_HWC: Images, draw: Draw) -> Images:
    """Clouds: noise of ever finer grain, added up, over the whole image."""
    cloud_HW = np.zeros((SIDE, SIDE))
    for cells in (2, 4, 8, 16):
        grain = Image.fromarray(draw.random((cells, cells)).astype(np.float32)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        cloud_HW += np.asarray(grain) / cells
    cloud_HW = (cloud_HW - cloud_HW.min()) / np.ptp(cloud_HW)
    return _clipped(0.55 * image_HWC + 0.45 * 255 * cloud_HW[..., None])


def _pil(change: Callable[[Image.Image], Image.Image]) -> Callable[[Images, Draw], Images]:
    return lambda image_HWC, draw: np.asarray(change(Image.fromarray(image_HWC)), np.uint8)


CORRUPTIONS: dict[str, Callable[[Images, Draw], Images]] = {
    "gaussian noise": lambda x, draw: _clipped(x + draw.normal(0, 35, x.shape)),
    "shot noise": lambda x, draw: _clipped(draw.poisson(x / 255 * 15) / 15 * 255),
    "impulse noise": lambda x, draw: np.where(
        draw.random(x.shape) < 0.12, np.uint8(255) * draw.integers(0, 2, x.shape, np.uint8), x
    ),
    "speckle noise": lambda x, draw: _clipped(x * (1 + draw.normal(0, 0.35, x.shape))),
    "blur": _pil(lambda image: image.filter(ImageFilter.GaussianBlur(2.5))),
    "fog": _fog,
    "brightness": _pil(lambda image: ImageEnhance.Brightness(image).enhance(1.8)),
    "contrast": _pil(lambda image: ImageEnhance.Contrast(image).enhance(0.3)),
    "pixelation": _pil(lambda image: image.resize((24, 24), Image.Resampling.BOX).resize(image.size, Image.Resampling.NEAREST)),
    "jpeg": _pil(_jpeg),
}


@final
class ImageNetB(Adapter):
    target, bias, size, network = "object", "corruption", SIDE, "resnet34"

    def index(self, source: str) -> Index:
        classes = storage.names(storage.join(source, "train"))[:CLASSES]
        if len(classes) < CLASSES:
            raise ValueError(
                f"{source} is no folder in ImageNet's layout: train/ holds {len(classes)} classes; it needs {CLASSES}, each a "
                "folder of images, and the same in val/."
            )
        rows = []
        for part, split in (("train", "trainval"), ("val", "test")):
            for number, name in enumerate(classes):
                files = storage.names(storage.join(source, part, name))
                if not files:
                    raise ValueError(
                        f"{storage.join(source, part, name)} holds no images; class {name} needs them in train and val."
                    )
                dealt = _dealt(files, name, None if part == "val" else number)
                rows += [(f"{part}/{name}/{file}", name, dealt[file], split) for file in files]
        return Index(pd.DataFrame(rows, columns=["id", "object", "corruption", "split"]), [], [])

    def reader(self, source: str) -> Callable[[str], Changed]:
        classes = storage.names(storage.join(source, "train"))[:CLASSES]

        @cache
        def dealt(part: str, name: str) -> dict[str, str]:
            files = storage.names(storage.join(source, part, name))
            return _dealt(files, name, None if part == "val" else classes.index(name))

        def read(example: str) -> Changed:
            part, name, file = example.split("/")
            encoded = storage.read(storage.join(source, example))
            corrupt = CORRUPTIONS[dealt(part, name)[file]]
            image_HWC = corrupt(decode(encoded, SIDE, "RGB"), rng("imagenet-b", "noise", example))
            return Changed(np.ascontiguousarray(image_HWC), encoded)

        return read


def _dealt(files: Sequence[str], name: str, own: int | None) -> dict[str, str]:
    """The corruption of each file of a class: 95 % get the class's `own`, the rest the others in turn; or all in turn."""
    names, drawn = list(CORRUPTIONS), rng("imagenet-b", name, own)
    others = [kind for k, kind in enumerate(names) if k != own]
    n_own = 0 if own is None else round(AGREEMENT * len(files))
    kinds = [names[own]] * n_own if own is not None else []
    turn = drawn.permutation(others).tolist()
    kinds += [turn[k % len(turn)] for k in range(len(files) - n_own)]
    return dict(zip(np.array(files)[drawn.permutation(len(files))].tolist(), kinds, strict=True))
