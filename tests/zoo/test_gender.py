"""GenderWdb's zoo: classes by majority, halves that share no face."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from biasray import data
from biasray.zoo.faces import Mixture, chosen
from biasray.zoo.gender import GenderZoo
from biasray.zoo.member import Member

FACES = data.load("drawn-faces")
SKINS = tuple(sorted(FACES.examples["skin"].unique())[:3])


def members(**fields: Any) -> tuple[Member, ...]:
    return GenderZoo(**{"bias": "skin", "groups": SKINS, "members": 12, **fields}).expand(FACES, "float32", 0)


def faces(member: Member) -> pd.DataFrame:
    assert isinstance(member.lesson, Mixture)
    return FACES.examples.iloc[chosen(member.lesson, member.seed, FACES)]


def test_one_group_has_the_majority_of_each_class_and_the_others_share_the_rest() -> None:
    for place, member in enumerate(members(images=100)[:3]):
        n = faces(member)["skin"].value_counts()
        assert (n[SKINS[place]], sorted(n)) == (80, [10, 10, 80])


def test_members_of_different_halves_share_no_face() -> None:
    first, second = [set[str]() for _ in range(2)]
    for member in members(images=100, second_half=6):
        (first if member.describe()["half"] == "first" else second).update(faces(member)["id"])
    assert len(first) > 150
    assert len(second) > 150
    assert not first & second


def test_members_are_spread_evenly_over_classes_networks_and_halves() -> None:
    found = pd.DataFrame([m.describe() for m in members(networks=("cnn", "digit-cnn"), second_half=6)])
    assert found.groupby(["half", "network", "bias"]).size().tolist() == [1] * 12
    assert found["id"].is_unique
    assert np.unique(found["images"]).size == 1


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"groups": ()}, "--groups  is not two values or more of 'skin'"),
        ({"groups": (SKINS[0], SKINS[0])}, "is not two values or more"),
        ({"bias": "race"}, "has no attribute 'race'"),
        ({"majority": 0.3}, "--majority must be above 0.33"),
        ({"second_half": 13}, "--members 12 with --second-half 13"),
        ({"images": 10**6}, "with which every class can be had"),
        ({"networks": ("gender-cnn",)}, "gender-cnn needs images of at least 96 x 96"),
    ],
)
def test_what_makes_no_zoo_is_one_sentence(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        members(**fields)
