import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from biasray.data.decode import decode

RNG = np.random.default_rng(0)


def encoded(pixels: np.ndarray, kind: str = "PNG", mode: str | None = None, **options: Any) -> bytes:
    out = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(out, kind, **options)
    return out.getvalue()


def quarters(height: int, width: int) -> np.ndarray:
    """Red, green, blue and white quarters: upper left, upper right, lower left, lower right."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, : width // 2, 0] = image[: height // 2, width // 2 :, 1] = image[height // 2 :, : width // 2, 2] = 255
    image[height // 2 :, width // 2 :] = 255
    return image


def test_pixels_of_the_wanted_size_come_back_as_they_are() -> None:
    pixels = RNG.integers(0, 256, (16, 16, 3), dtype=np.uint8)
    got = decode(encoded(pixels), 16, "RGB")
    np.testing.assert_array_equal(got, pixels)
    assert got.dtype == np.uint8


def test_arrays_need_no_file() -> None:
    grey = RNG.integers(0, 256, (28, 28), dtype=np.uint8)
    np.testing.assert_array_equal(decode(grey, 28, "L")[..., 0], grey)
    np.testing.assert_array_equal(decode(grey, 28, "RGB"), np.repeat(grey[..., None], 3, 2))


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "CMYK", "1"])
@pytest.mark.parametrize(("wanted", "channels"), [("RGB", 3), ("L", 1)])
def test_every_kind_of_image_becomes_the_wanted_channels(mode: str, wanted: Any, channels: int) -> None:
    kind = "JPEG" if mode == "CMYK" else "PNG"
    got = decode(encoded(quarters(32, 32), kind, mode), 16, wanted)
    assert got.shape == (16, 16, channels)
    assert got[14, 14].min() > 240  # white stays white
    assert got[1, 1, -1] < 120  # and red is dark in blue and in grey


def test_a_palette_with_transparent_entries_is_read_without_a_warning() -> None:
    got = decode(encoded(quarters(16, 16), "PNG", "P", transparency=bytes([0, 128])), 16, "RGB")
    assert got[14, 14].min() == 255


def test_more_than_eight_bits_are_refused_not_clipped() -> None:
    with pytest.raises(ValueError, match="more than 8 bits"):
        decode(encoded(np.full((8, 8), 40_000, np.uint16)), 8, "L")


@pytest.mark.parametrize(("height", "width"), [(40, 80), (80, 40), (33, 70), (7, 5)])
def test_the_middle_square_of_an_oblong_image_is_kept(height: int, width: int) -> None:
    image = np.zeros((height, width, 3), np.uint8)
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    image[top : top + side, left : left + side] = 200
    got = decode(encoded(image), 16, "RGB")
    assert got.shape == (16, 16, 3)
    assert np.median(got) == 200
    assert got[8, 8, 0] == got[2, 2, 0] == got[13, 13, 0] == 200


@pytest.mark.parametrize(
    ("orientation", "corners"),
    [(1, "RGBW"), (2, "GRWB"), (3, "WBGR"), (4, "BWRG"), (5, "RBGW"), (6, "BRWG"), (7, "WGBR"), (8, "GWRB")],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_images_are_turned_as_their_camera_says(orientation: int, corners: str, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    got = decode(encoded(quarters(64, 64), kind, exif=exif), 32, "RGB").astype(int)
    named = {"R": (255, 0, 0), "G": (0, 255, 0), "B": (0, 0, 255), "W": (255, 255, 255)}
    for (y, x), corner in zip([(4, 4), (4, 27), (27, 4), (27, 27)], corners, strict=True):
        np.testing.assert_allclose(got[y, x], named[corner], atol=12)


@pytest.mark.parametrize("size", [16, 30, 64])
def test_a_large_jpeg_is_shrunk_like_a_slow_careful_resize(size: int) -> None:
    y, x = np.mgrid[:512, :512] / 512
    pixels = (255 * np.stack([x, y, 0.5 + 0.5 * np.sin(9 * x + 5 * y)], 2)).astype(np.uint8)
    got = decode(encoded(pixels, "JPEG", quality=95), size, "RGB").astype(int)
    slow = np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.BOX), int)
    assert np.abs(got - slow).mean() < 3


def test_a_shrunk_jpeg_keeps_the_detail_that_its_new_size_can_show() -> None:
    small = RNG.integers(60, 200, (64, 64), dtype=np.uint8)
    got = decode(encoded(np.kron(small, np.ones((2, 2), np.uint8)), "JPEG", quality=95), 64, "L")[..., 0]
    assert np.abs(got.astype(int) - small).mean() < 3


def test_shrinking_does_not_alias() -> None:
    stripes = np.tile(np.array([0, 255], np.uint8), (256, 128))
    assert decode(stripes, 32, "L").std() < 5


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_truncated_jpeg_is_not_a_whole_image(share: float) -> None:
    whole = encoded(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8), "JPEG")
    with pytest.raises(ValueError, match="not a whole image"):
        decode(whole[: int(len(whole) * share)], 32, "RGB")


def test_a_truncated_or_changed_png_is_not_a_whole_image() -> None:
    whole = encoded(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    with pytest.raises(ValueError, match="not a whole image"):
        decode(whole[: len(whole) // 2], 32, "RGB")
    with pytest.raises(ValueError, match="not a whole image"):
        decode(whole[:200] + bytes(200) + whole[400:], 32, "RGB")


@pytest.mark.parametrize("data", [b"", b"hello", b"<html>404</html>" * 50, bytes(1000), b"\xff\xd8\xff\xe0"])
def test_what_is_no_image_is_said_in_the_same_words_each_time(data: bytes) -> None:
    reasons = set()
    for _ in range(2):
        with pytest.raises(ValueError, match="not a whole image") as caught:
            decode(data, 8, "RGB")
        reasons.add(str(caught.value))
    assert len(reasons) == 1
    assert "0x" not in reasons.pop()  # an address in memory would change the checksum of a shard
