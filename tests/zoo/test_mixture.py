"""Reference sets of faces: exact shares, wrong labels as told, errors by group."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from biasray import data
from biasray.data.ages import years
from biasray.random import rng
from biasray.zoo.faces import Mixture, chosen
from biasray.zoo.member import permuted
from biasray.zoo.reference import ReferenceZoo
from biasray.zoo.train import train

CPU = torch.device("cpu")
FACES = data.load("drawn-faces")


def lesson(**changes: Any) -> Mixture:
    shares = (("Male", 0.3), ("Female", 0.7))
    fields: dict[str, Any] = {
        "attribute": "gender",
        "shares": shares,
        "subset": 0,
        "shuffled": 0.2,
        "targets": ("age", "gender"),
    }
    return Mixture(**{**fields, "images": 200, "side": 32, **changes})


def test_training_images_have_the_shares_exactly_and_come_from_the_training_split() -> None:
    found = FACES.examples.iloc[chosen(lesson(), 0, FACES)]
    assert Counter(found["gender"]) == {"Male": 60, "Female": 140}
    assert set(found["split"]) == {"train"}


def test_values_that_are_not_named_are_the_others() -> None:
    skins = FACES.examples["skin"].unique()
    found = FACES.examples.iloc[chosen(lesson(attribute="skin", shares=((skins[0], 0.25), ("other", 0.75))), 0, FACES)]
    assert (found["skin"] == skins[0]).sum() == 50


def test_so_many_labels_are_permuted_and_none_is_lost() -> None:
    place_N = permuted(200, 0.2, rng(0))
    assert sorted(place_N) == list(range(200))
    assert 20 < (place_N != np.arange(200)).sum() <= 40
    assert (permuted(200, 0.0, rng(0)) == np.arange(200)).all()


@pytest.mark.parametrize(
    ("column", "expected"),
    [(["0-2", "10-19", "more than 70"], [1.5, 15, 75]), ([31, 4], [31, 4])],
)
def test_ages_in_bins_become_years(column: list[Any], expected: list[float]) -> None:
    assert years(pd.Series(column)).tolist() == expected


def test_what_is_no_age_is_named() -> None:
    with pytest.raises(ValueError, match="'Oct-19' is no age"):
        years(pd.Series(["Oct-19"]))


def test_errors_are_those_of_each_group_on_images_that_no_member_saw() -> None:
    feed = Mixture.feed([lesson(), lesson(subset=1)], [0, 0], FACES, CPU, torch.float32)
    unseen = FACES.examples[FACES.examples["split"] != "train"]
    men_T = (unseen["gender"] == "Male").to_numpy()

    def predict(image_MBHWC: Tensor) -> Tensor:
        """Forty years and a woman, always."""
        output = torch.zeros(*image_MBHWC.shape[:2], 3)
        output[..., 0], output[..., 1] = (40 - 35) / 20, 1.0
        return output

    one, other = feed.figures(predict)
    error_T = (unseen["age"] - 40).abs().to_numpy()
    assert all(one[name] == other[name] for name in one if not name.startswith("guess"))
    assert one["age_mae"] == pytest.approx(error_T.mean(), abs=1e-4)
    assert one["age_mae Male"] == pytest.approx(error_T[men_T].mean(), abs=1e-4)
    assert (one["gender_error Male"], one["gender_error Female"]) == (1, 0)
    assert one["gender_error"] == pytest.approx(men_T.mean())


def test_the_control_guesses_the_mean_age_and_the_commoner_gender_of_the_training_labels() -> None:
    mine = lesson()
    feed = Mixture.feed([mine], [0], FACES, CPU, torch.float32)
    (found,) = feed.figures(lambda image_MBHWC: torch.zeros(*image_MBHWC.shape[:2], 3))
    unseen = FACES.examples[FACES.examples["split"] != "train"]
    men = unseen[unseen["gender"] == "Male"]
    guess = FACES.examples.iloc[chosen(mine, 0, FACES)]["age"].mean()
    assert found["guess_age_mae Male"] == pytest.approx((men["age"] - guess).abs().mean(), abs=1e-4)
    assert (found["guess_gender_error Male"], found["guess_gender_error Female"]) == (1, 0)


def test_each_image_comes_with_its_own_labels() -> None:
    right = lesson(shuffled=0.0, side=64)
    feed, rows_MB = Mixture.feed([right], [0], FACES, CPU, torch.float64), torch.tensor([[3, 50, 199]])
    row_B = chosen(right, 0, FACES)[rows_MB[0].numpy()]
    assert torch.equal(feed.batch(rows_MB)[0], torch.from_numpy(FACES.images(row_B)).double() / 255)
    mine = FACES.examples.iloc[row_B]
    output_MBK = torch.full((1, 3, 3), -50.0, dtype=torch.float64)
    output_MBK[0, :, 0] = torch.tensor((mine["age"].to_numpy() - 35) / 20)
    output_MBK[0, range(3), 1 + (mine["gender"] == "Male").to_numpy()] = 50.0
    assert feed.loss(output_MBK, rows_MB).item() == pytest.approx(0)
    assert feed.loss(output_MBK.roll(1, 1), rows_MB).item() > 0.1


def test_members_learn_what_they_are_shown() -> None:
    few = {"members": 2, "networks": ("digit-cnn",), "targets": ("age", "gender"), "images": 60, "batch": 12}
    zoo = ReferenceZoo(**few, epochs=60, lr=3e-3, shuffled=0.0)
    torch.set_num_threads(1)
    loss_ME = train(zoo.expand(FACES, "float32", 0), FACES, "grouped", CPU).loss_ME
    assert (loss_ME[:, -1] < 0.6 * loss_ME[:, 0]).all()


def test_two_groups_go_from_none_to_all_and_three_over_a_simplex() -> None:
    assert [shares[0][1] for shares in ReferenceZoo().mixtures(FACES)] == pytest.approx(np.arange(11) / 10)
    skins = tuple(sorted(FACES.examples["skin"].unique())[:2])
    three = ReferenceZoo(bias="skin", groups=skins).mixtures(FACES)
    assert len(three) == 16
    assert all(sum(share for _, share in shares) == pytest.approx(1) for shares in three)


def test_members_are_spread_evenly_and_draw_for_themselves() -> None:
    found = pd.DataFrame([m.describe() for m in ReferenceZoo(members=66, images=100).expand(FACES, "float32", 0)])
    assert found.groupby(["network", "level"]).size().tolist() == [2] * 33
    assert found["subset"].is_unique
    assert found["shuffled"].between(0, 0.3).all()
    assert len(found["shuffled"].unique()) > 50


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"images": 10**6}, "with which every share can be had"),
        ({"side": 128}, "--side 8 to"),
        ({"targets": ()}, "--targets and --networks need a value"),
        ({"shuffled": 2.0}, "--shuffled a share from 0 to 1"),
        ({"side": 16}, "digit-cnn needs images of at least 24 x 24"),
        ({"bias": "race"}, "has no attribute 'race'"),
        ({"groups": ("Male", "Bird")}, "is not two values of 'gender'"),
    ],
)
def test_what_makes_no_zoo_is_one_sentence(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ReferenceZoo(**{"members": 4, **fields}).expand(FACES, "float32", 0)


@pytest.mark.parametrize("name", ["age", "gender"])
def test_faces_without_a_label_that_members_need_are_refused(name: str) -> None:
    few = FACES.examples[name].mask(np.arange(len(FACES.examples)) < 3, np.nan if name == "age" else "")
    faces = replace(FACES, examples=FACES.examples.assign(**{name: few}))
    with pytest.raises(ValueError, match=f"drawn-faces has 3 images without {name}, which all need here; import it --without"):
        ReferenceZoo(members=4, images=100).expand(faces, "float32", 0)
