import math
from typing import Any

import pytest

from biasray.audit.reading import FAIRFACE, Reading

DEEPFACE = [{"age": 31, "gender": {"Woman": 3.0, "Man": 97.0}, "dominant_gender": "Man"}]


@pytest.mark.parametrize(
    ("reading", "answer", "expected"),
    [
        (Reading(), 31.5, 31.5),
        (Reading(field="0.age"), DEEPFACE, 31),
        (Reading(scale=20, shift=35), -0.5, 25),
        (Reading(kind="percentage", field="0.gender.Man"), DEEPFACE, 0.97),
        (Reading(kind="percentage", field="0.gender.Woman", flipped=True), DEEPFACE, 0.97),
        (Reading(kind="label", field="0.dominant_gender"), DEEPFACE, 1),
        (Reading(kind="label"), "female", 0),
        (Reading(kind="label", flipped=True), "female", 1),
        (Reading(kind="probability"), [0.2, 0.8], 0.8),
        (Reading(kind="probability", flipped=True), [0.2, 0.8], 0.2),
        (Reading(kind="bins"), [0, 0, 0, 0.5, 0.5, 0, 0, 0, 0], 30),
        (Reading(kind="bins", bins=(10, 20)), [30, 90], 17.5),
        (Reading(kind="band"), "30-39", 35),
        (Reading(kind="band"), "(25, 32)", 29),
        (Reading(kind="band"), "more than 70", 75),
    ],
)
def test_what_real_models_return_becomes_years_or_the_probability_of_a_man(
    reading: Reading, answer: Any, expected: float
) -> None:
    assert reading(answer) == pytest.approx(expected)
    assert reading.target == ("age" if reading.kind in ("number", "bins", "band") else "gender")


@pytest.mark.parametrize(
    ("reading", "answer"),
    [
        (Reading(), math.nan),
        (Reading(), 10**400),
        (Reading(), None),
        (Reading(), "31"),
        (Reading(), True),
        (Reading(), -3),
        (Reading(), 400),
        (Reading(field="age"), {"years": 3}),
        (Reading(field="0.age"), []),
        (Reading(kind="probability"), 31),
        (Reading(kind="probability"), [0.1, 0.2, 0.7]),
        (Reading(kind="percentage"), 101),
        (Reading(kind="label"), "Martian"),
        (Reading(kind="bins"), [0.5, 0.5]),
        (Reading(kind="bins"), [0.0] * len(FAIRFACE)),
        (Reading(kind="bins"), [math.inf] * len(FAIRFACE)),
        (Reading(kind="band"), "31"),
        (Reading(kind="band"), "adult"),
    ],
)
def test_an_answer_without_such_a_number_is_said_to_have_none(reading: Reading, answer: Any) -> None:
    with pytest.raises(ValueError, match=r"is no|are no|nothing at"):
        reading(answer)


def test_ages_cannot_be_flipped() -> None:
    with pytest.raises(ValueError, match="--flipped is of genders"):
        Reading(flipped=True)
