import numpy as np
import pandas as pd
import pytest

from biasray import storage
from biasray.drawing import PARTS, VALUES, VERSION, Drawn, draw
from biasray.drawing.faces import CHUNK

N = CHUNK + 6
KEYS = np.arange(N) + 100


def table(**fixed: object) -> pd.DataFrame:
    """Random people, but for what is given."""
    random = np.random.default_rng(3)
    columns = {"age": random.integers(5, 91, N), **{name: random.choice(values, N) for name, values in VALUES.items()}}
    return pd.DataFrame({**columns, **fixed})


def drawn(**fixed: object) -> Drawn:
    return draw(table(**fixed), KEYS)


def seen(faces: Drawn, part: str) -> np.ndarray:
    """(N, H, W)"""
    return faces.masks[:, PARTS.index(part)]


def area(faces: Drawn, part: str) -> np.ndarray:
    """(N,) pixels"""
    return seen(faces, part).sum((1, 2))


def test_images_and_masks_have_the_promised_shapes_and_each_pixel_one_part() -> None:
    faces = drawn()
    assert (faces.image_NHWC.shape, faces.image_NHWC.dtype) == ((N, 64, 64, 3), np.uint8)
    assert (faces.masks.shape, faces.masks.dtype) == ((N, len(PARTS), 64, 64), bool)
    assert (faces.masks.sum(1) == 1).all()


def test_the_drawing_is_what_its_version_promises() -> None:
    """Fails when a change alters a single byte: raise VERSION then, and put the new checksum here."""
    faces = drawn()
    made = storage.checksum(faces.image_NHWC.tobytes() + faces.part_NHW.tobytes())
    assert (VERSION, made) == (2, "5e92cfd14c9ac2bad7fc390bc10ed42c")


def test_faces_drawn_one_by_one_are_those_drawn_together() -> None:
    faces, attributes = drawn(), table()
    for i in (0, 1, CHUNK - 1, CHUNK, N - 1):
        one = draw(attributes.iloc[[i]], KEYS[[i]])
        np.testing.assert_array_equal(one.image_NHWC[0], faces.image_NHWC[i])
        np.testing.assert_array_equal(one.part_NHW[0], faces.part_NHW[i])


def test_other_keys_give_other_faces_in_other_places() -> None:
    people = table().iloc[[0] * N]
    faces = draw(people, KEYS)
    assert len({image.tobytes() for image in faces.image_NHWC}) == N
    across = seen(faces, "nose").argmax(2).max(1)
    assert np.ptp(across) >= 5


def test_no_face_at_all_is_an_empty_batch() -> None:
    assert draw(table().iloc[:0], KEYS[:0]).image_NHWC.shape == (0, 64, 64, 3)


@pytest.mark.parametrize(
    ("name", "appears", "gives_way"),
    [("glasses", "glasses", "glasses"), ("smile", "mouth", "mouth"), ("hat", "hat", "hair")],
)
def test_changing_one_attribute_leaves_the_masks_of_all_other_parts(name: str, appears: str, gives_way: str) -> None:
    without, with_it = drawn(**{name: "no"}), drawn(**{name: "yes"})
    moved = without.part_NHW != with_it.part_NHW
    assert moved.any((1, 2)).all()
    assert not (moved & ~seen(with_it, appears) & ~seen(without, gives_way)).any()


@pytest.mark.parametrize("name", ["skin", "hair_colour"])
def test_a_colour_changes_no_mask(name: str) -> None:
    first, *others = [drawn(**{name: value}) for value in VALUES[name]]
    for other in others:
        np.testing.assert_array_equal(first.part_NHW, other.part_NHW)
        assert (first.image_NHWC != other.image_NHWC).any((1, 2, 3)).all()


@pytest.mark.parametrize(("name", "spread"), [("glasses", 13), ("hat", 3), ("smile", 4)])
def test_pixels_change_under_the_mask_and_nowhere_far_from_it(name: str, spread: int) -> None:
    part = {"smile": "mouth"}.get(name, name)
    without, with_it = drawn(**{name: "no"}, hair="short"), drawn(**{name: "yes"}, hair="short")
    changed = (without.image_NHWC != with_it.image_NHWC).any(-1)
    mask = seen(with_it, part)
    if name != "smile":  # a mouth is there in both
        assert changed[mask].mean() > 0.97
    if name != "hat":  # which presses hair flat
        rows, columns = mask.any(2), mask.any(1)
        for i in range(N):
            where = np.argwhere(changed[i])
            assert where[:, 0].min() >= rows[i].argmax() - spread
            assert where[:, 1].min() >= columns[i].argmax() - spread
            assert where[:, 0].max() <= 63 - rows[i][::-1].argmax() + spread
            assert where[:, 1].max() <= 63 - columns[i][::-1].argmax() + spread


def test_a_part_that_is_not_worn_is_seen_nowhere_and_one_that_is_always_somewhere() -> None:
    for part, least in (("glasses", 30), ("hat", 150)):
        assert area(drawn(**{part: "no"}), part).max() == 0
        assert area(drawn(**{part: "yes"}), part).min() > least
    for part in ("skin", "hair", "nose", "mouth", "eyes", "clothes", "background"):
        assert area(drawn(), part).min() > 5, part


def test_only_grown_men_have_a_beard_and_only_the_old_have_wrinkles() -> None:
    assert area(drawn(gender="Female"), "beard").max() == 0
    assert area(drawn(gender="Male", age=8), "beard").max() == 0
    assert area(drawn(gender="Male", age=30), "beard").min() > 50
    assert area(drawn(age=25), "wrinkles").max() == 0
    assert area(drawn(age=80), "wrinkles").min() > 10


def test_hair_turns_grey_with_age() -> None:
    def colourfulness(age: int) -> float:
        faces = drawn(age=age, hair_colour="red", hat="no")
        hair = faces.image_NHWC[seen(faces, "hair")].astype(float)
        return float((hair.max(-1) - hair.min(-1)).mean())

    assert colourfulness(20) > colourfulness(45) > colourfulness(60) > colourfulness(80) > 0


def test_skin_groups_keep_their_order_of_brightness_in_any_light() -> None:
    bright = []
    for value in VALUES["skin"]:
        faces = drawn(skin=value)
        bright.append([image[mask].mean() for image, mask in zip(faces.image_NHWC, seen(faces, "skin"), strict=True)])
    assert (np.diff(bright, axis=0) < -8).all()


def test_skin_differs_within_a_group() -> None:
    faces = drawn(skin="brown")
    assert np.std([image[mask].mean() for image, mask in zip(faces.image_NHWC, seen(faces, "skin"), strict=True)]) > 3


def test_a_smile_widens_the_mouth_and_long_hair_and_curls_are_larger_than_a_short_cut() -> None:
    assert (area(drawn(smile="yes", age=30), "mouth") > area(drawn(smile="no", age=30), "mouth")).all()
    for style in ("long", "curly"):
        assert (area(drawn(hair=style), "hair") > 1.3 * area(drawn(hair="short"), "hair")).all()


def test_the_index_of_the_table_does_not_matter_and_it_stays_as_it_is() -> None:
    people = table()
    shuffled = people.set_index(np.arange(N)[::-1])
    before = shuffled.copy()
    np.testing.assert_array_equal(draw(shuffled, KEYS).image_NHWC, drawn().image_NHWC)
    pd.testing.assert_frame_equal(shuffled, before)


@pytest.mark.parametrize(
    ("attributes", "says"),
    [
        (table().drop(columns="hat"), "needs the attribute 'hat'"),
        (table(hair="mohawk"), "'hair' cannot be 'mohawk'; choose one of short, long, curly"),
        (table(age=4), "from 5 to 90 years"),
        (table(age=91), "from 5 to 90 years"),
        (table(age=np.nan), "from 5 to 90 years"),
    ],
)
def test_what_cannot_be_drawn_is_refused(attributes: pd.DataFrame, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        draw(attributes, KEYS)
