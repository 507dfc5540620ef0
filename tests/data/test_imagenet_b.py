from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from biasray.bias import label
from biasray.data import adapters, importing
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
    assert is_own_N[train_N].mean() == 0.95
    assert len(set(rows["corruption"][train_N & ~is_own_N])) > 5
    n = rows[~train_N].groupby(["object", "corruption"]).size()
    assert (len(n), n.min(), n.max()) == (100, EACH // 10, EACH // 10)
    first = rows[rows["object"] == "n00"].groupby("corruption")["id"].first()
    assert len(set(first.str.split("/").str[-1])) > 3  # not by the order of names


def test_each_image_is_corrupted_as_its_label_says_and_always_alike(source: str) -> None:
    rows = ImageNetB().index(source).rows
    clean = np.asarray(Image.open(Path(source, "one.JPEG")).resize((128, 128), Image.Resampling.BILINEAR), np.float64)
    read, again = ImageNetB().reader(source), ImageNetB().reader(source)
    distance: dict[str, float] = {}
    for name in CORRUPTIONS:
        example = rows["id"][rows["corruption"] == name].iloc[0]
        image = read(example).image
        assert (image.shape, image.dtype) == ((128, 128, 3), np.uint8)
        assert np.array_equal(image, again(example).image)
        distance[name] = float(np.abs(image - clean).mean())
    assert min(distance.values()) > 3, distance
    assert max(distance.values()) < 90, distance
    noisy = rows["id"][rows["corruption"] == "gaussian noise"]
    assert not np.array_equal(read(noisy.iloc[0]).image, read(noisy.iloc[1]).image)  # of one picture
    assert read(noisy.iloc[0]).file == read(noisy.iloc[1]).file


def test_too_few_classes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "train/n01").mkdir(parents=True)
    with pytest.raises(ValueError, match="train/ holds 1 classes; it needs 10"):
        adapters()["imagenet-b"]().index(str(tmp_path))


def test_copies_of_a_picture_are_known_by_their_file_and_its_classes_go_with_corruptions(source: str, tmp_path: Path) -> None:
    adapter = ImageNetB()
    rows = adapter.index(source).rows.iloc[::60].reset_index(drop=True)
    shard = importing.make_shard(adapter, source, rows, 0, 16, str(tmp_path))
    table = importing.read_shard(str(tmp_path), shard.file, images=False)
    assert len(set(table["hash"].to_pylist())) == 1


def test_the_corruption_that_is_the_classes_own_is_found_from_the_table(source: str) -> None:
    rows = ImageNetB().index(source).rows
    examples = rows.assign(split=rows["split"].replace("trainval", "train"))
    found = label.paired(label.attributes(examples, "object", "corruption", (), ["object", "corruption"]))
    assert found is not None
    assert found.biases == tuple(CORRUPTIONS)
