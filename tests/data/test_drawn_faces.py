from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from biasray import data
from biasray.bias.task import Task, prepare, resolve
from biasray.data import drawn_faces
from biasray.data.dataset import SPLITS
from biasray.drawing import PARTS

FACES = data.load("drawn-faces")


def test_drawn_faces_need_no_download_and_their_name_says_that_they_are_drawn() -> None:
    assert "drawn-faces" in data.built_in()
    assert (FACES.name, FACES.shape, FACES.target, FACES.bias) == ("drawn-faces", (3, 64, 64), "gender", "glasses")
    assert FACES.attributes == ["age", "gender", "skin", "hair", "hair_colour", "glasses", "hat", "smile"]


def test_examples_are_sorted_unique_and_in_three_splits() -> None:
    examples = FACES.examples
    assert len(examples) == 6000
    assert examples["id"].is_monotonic_increasing
    assert examples["id"].is_unique
    assert examples["hash"].is_unique
    assert [int((examples["split"] == split).sum()) for split in SPLITS] == [4000, 1000, 1000]


def test_every_value_is_about_as_frequent_as_the_others_in_every_split() -> None:
    for _, part in FACES.examples.groupby("split"):
        for name in FACES.attributes[1:]:
            share = part[name].value_counts(normalize=True)
            assert share.max() < 1.4 * share.min()
        assert np.histogram(part["age"], 4, (5, 91))[0].min() > 0.2 * len(part)
    assert (FACES.examples["age"].min(), FACES.examples["age"].max()) == (5, 90)


def test_attributes_are_independent_of_each_other() -> None:
    table = FACES.examples[FACES.attributes].assign(age=FACES.examples["age"] // 15)
    for one, other in combinations(table, 2):
        n = pd.crosstab(table[one], table[other]).to_numpy()
        expected = n.sum(0) * n.sum(1)[:, None] / n.sum()
        phi = ((n - expected) ** 2 / expected).sum() / n.sum()
        assert (phi / (min(n.shape) - 1)) ** 0.5 < 0.05, (one, other)  # Cramer's V


def test_images_come_in_the_order_of_the_rows_asked_with_the_masks_beside_them() -> None:
    rows = np.array([5, 1, 4321, 5])
    images = FACES.images(rows)
    assert images.shape == (4, 64, 64, 3)
    np.testing.assert_array_equal(images[[0, 1, 2]], FACES.images(rows[:3]))
    np.testing.assert_array_equal(images[0], images[3])
    faces = drawn_faces.faces(rows)
    np.testing.assert_array_equal(faces.image_NHWC, images)
    worn = faces.masks[:, PARTS.index("glasses")].any((1, 2))
    np.testing.assert_array_equal(worn, FACES.examples["glasses"].iloc[rows] == "yes")


def test_equal_attributes_do_not_make_equal_images() -> None:
    assert len({image.tobytes() for image in FACES.images(np.arange(200))}) == 200


def test_the_checksum_is_that_of_the_drawing_and_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    assert data.load("drawn-faces").checksum == FACES.checksum
    monkeypatch.setattr(drawn_faces, "VERSION", drawn_faces.VERSION + 1)
    assert data.load("drawn-faces").checksum != FACES.checksum


@pytest.mark.parametrize(
    "task",
    [
        Task(agreement=0.95),
        Task(target="smile", bias="hat", agreement=0.9),
        Task(bias="age", align=("Male=40..",), agreement=0.9),
        Task(bias="skin", align=("Male=light,medium",), agreement=0.9),
    ],
    ids=["glasses", "hat", "age", "skin"],
)
def test_a_bias_is_put_in_as_asked(task: Task) -> None:
    prepared = prepare(FACES, resolve(task, FACES), seed=0)
    cells = prepared.cells("train")
    np.testing.assert_allclose(np.diag(cells) / cells.sum(1), task.agreement, atol=0.002)
    assert cells.sum() > 1500
    assert len(set(prepared.cells("test").ravel())) == 1
