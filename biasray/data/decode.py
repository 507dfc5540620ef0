"""From an image file's bytes to a square uint8 array."""

import io
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from biasray.data.dataset import Images

Encoded = bytes | NDArray[np.uint8]


class Changed(NamedTuple):
    """An image that an adapter has altered, and the file that it was: copies are known by the file."""

    image: Encoded
    file: bytes


def decode(encoded: Encoded, size: int, mode: Literal["L", "RGB"]) -> Images:
    """(size, size, C) uint8: upright, the middle square, resized with antialiasing.

    Raises ValueError for bytes that are not a whole image. JPEGs are decoded at the smallest of libjpeg's
    scales (1, 1/2, 1/4, 1/8) that is not below `size`, which is several times faster.
    """
    try:
        image = _open(encoded, size, mode)
        if image.mode[0] in "IF":
            raise ValueError("its pixels have more than 8 bits")
        image.info.pop("transparency", None)  # palette images would warn of it
        image = image.convert(mode)
        if image.size != (size, size):
            image = ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)
    except UnidentifiedImageError as error:  # its message holds an address in memory, which would change a shard's checksum
        raise ValueError("not a whole image: not a known format") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"not a whole image: {str(error)[:120]}") from error
    return np.asarray(image, np.uint8).reshape(size, size, len(mode))


def _open(encoded: Encoded, size: int, mode: Literal["L", "RGB"]) -> Image.Image:
    if not isinstance(encoded, bytes):
        return Image.fromarray(encoded)
    image = Image.open(io.BytesIO(encoded))
    image.draft(mode, (size, size))
    return ImageOps.exif_transpose(image)
