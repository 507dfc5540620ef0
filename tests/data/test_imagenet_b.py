from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from biasray.data import adapters
from biasray.data.imagenet_b import CORRUPTIONS, ImageNetB

EACH = 60


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Eleven classes, of which the first ten count; all files are links to one picture."""
    folder = tmp_path_factory.mktemp("imagenet")
    y, x = np.mgrid[:160, :160]
    picture = np.stack([x + 40, 200 - x, (x // 20 + y // 20) % 2 * 200 + 20], -1).clip(0, 255).astype(np.uint8)
    Image.fromarray(picture).save(folder / "one.JPEG", quality=95)
    for part in ("train", "val"):
        for k in range(11):
            inside = folder / part / f"n{k:02d}"
            inside.mkdir(parents=True)
            for n in range(EACH):
                (inside / f"{n}.JPEG").hardlink_to(folder / "one.JPEG")
    return str(folder)


def test_classes_go_with_corruptions_in_training_and_not_in_test(source: str) -> None:
    rows = ImageNetB().index(source).rows
    assert sorted(set(rows["object"])) == [f"n{k:02d}" for k in range(10)]
    own = dict(zip(sorted(set(rows["object"])), CORRUPTIONS, strict=True))
    is_own_N = rows["corruption"] == rows["object"].map(own)
    train_N = rows["split"] == "trainval"
    assert 0.92 < is_own_N[train_N].mean() < 0.98
    assert 0.05 < is_own_N[~train_N].mean() < 0.16
    assert set(rows["corruption"][train_N & ~is_own_N]) <= set(CORRUPTIONS)
    assert rows["corruption"][~train_N].value_counts().min() > 30


def test_each_image_is_corrupted_as_its_label_says_and_always_alike(source: str) -> None:
    rows = ImageNetB().index(source).rows
    clean = np.asarray(Image.open(Path(source, "one.JPEG")).resize((128, 128), Image.Resampling.BILINEAR), np.float64)
    read, again = ImageNetB().reader(source), ImageNetB().reader(source)
    distance: dict[str, float] = {}
    for name in CORRUPTIONS:
        example = rows["id"][rows["corruption"] == name].iloc[0]
        image = read(example)
        assert (image.shape, image.dtype) == ((128, 128, 3), np.uint8)
        assert np.array_equal(image, again(example))
        distance[name] = float(np.abs(image - clean).mean())
    assert min(distance.values()) > 3, distance
    assert max(distance.values()) < 90, distance
    noisy = rows["id"][rows["corruption"] == "gaussian noise"]
    assert not np.array_equal(read(noisy.iloc[0]), read(noisy.iloc[1]))  # of one picture


def test_too_few_classes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "train/n01").mkdir(parents=True)
    with pytest.raises(ValueError, match="train/ holds 1 classes; it needs 10"):
        adapters()["imagenet-b"]().index(str(tmp_path))
