import numpy as np
import pandas as pd
import pytest
import torch

from biasray.weights.detectors import Front
from biasray.weights.detectors.dense import Dense
from biasray.weights.study import Models, Reading, Split, by_accuracy, folds, grouped_by, levels, lonelier, memory, read
from tests.weights.planted import rows


def index(members: int = 40) -> pd.DataFrame:
    number = np.arange(members)
    level = np.array([0.02, 0.03, 0.04, 0.05])[number % 4]
    half, accuracy = np.where(number < 0.8 * members, "first", "second"), 10 * level + 0.001 * (number % 3)
    fields = {"level": level, "half": half, "init": number // 4, "jitter": 0, "accuracy": accuracy}
    return pd.DataFrame({"id": [f"m{k}" for k in number], **fields})


@pytest.mark.parametrize("split", ["random", "group", "original", "re-shuffled"])
def test_no_member_is_on_both_sides_and_every_level_is_on_each(split: Split) -> None:
    table = index()
    for fold in folds(table, split, 0):
        assert not set(fold.train) & set(fold.test)
        assert set(levels(table)[fold.train]) == set(levels(table)[fold.test]) == {0, 1, 2, 3}


def test_five_random_folds_test_every_member_once() -> None:
    assert sorted(np.concatenate([fold.test for fold in folds(index(), "random", 0)])) == list(range(40))


def test_groups_are_not_shared_between_learning_and_test() -> None:
    table = index()
    for fold in folds(table, "group", 0, "init"):
        assert not set(table["init"][fold.train]) & set(table["init"][fold.test])
    assert grouped_by(table, None) == "half"
    assert [len(fold.train) for fold in folds(table, "group", 0)] == [8, 32]


def test_the_original_form_tests_another_half_and_the_re_shuffled_one_both() -> None:
    table = index()
    (fold,) = folds(table, "original", 0)
    assert (set(table["half"][fold.train]), set(table["half"][fold.test])) == ({"first"}, {"second"})
    table = index(200)
    (fold,) = folds(table, "re-shuffled", 0)
    assert len(fold.train) == 140
    assert table.iloc[fold.test].groupby(["half", "level"]).size().tolist() == [12] * 4 + [3] * 4


@pytest.mark.parametrize(
    ("split", "group", "says"),
    [
        ("group", "jitter", "All members have the same jitter"),
        ("group", "colour", "--group colour: the zoo knows nothing of it; it knows half, init, jitter"),
    ],
)
def test_what_the_members_do_not_vary_in_parts_nothing(split: Split, group: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        folds(index(), split, 0, group)
    with pytest.raises(ValueError, match="All members have the same half"):
        folds(index().assign(half="first"), "original", 0)
    with pytest.raises(ValueError, match="A level has 4 members only; a detector needs 5 of each"):
        folds(index(16), split, 0)
    with pytest.raises(ValueError, match="two levels of bias or more"):
        levels(index().assign(level=0.02))


def test_groups_that_each_have_one_level_are_refused() -> None:
    """A draw of colours for each level: a fold would be asked about levels that it has never seen."""
    table = index()
    with pytest.raises(ValueError, match="Some levels have members of one jitter only"):
        folds(table.assign(jitter=table["level"]), "group", 0, "jitter")
    with pytest.raises(ValueError, match="Some levels have members of one half only"):
        folds(table.assign(half=np.where(table["level"] > 0.02, "first", "second")), "original", 0)


def test_levels_in_words_have_no_order() -> None:
    with pytest.raises(ValueError, match="levels are words, such as 'high', which have no order"):
        levels(index().assign(level=["high", "low"] * 20))


@pytest.mark.parametrize(
    ("split", "members", "other"), [("re-shuffled", 20, None), ("adapted", 20, None), ("adapted", 200, 12)]
)
def test_too_few_models_to_part_are_one_sentence(split: Split, members: int, other: int | None) -> None:
    with pytest.raises(ValueError, match=r"^\d+ models are too few to part them with some of each level on both sides; give"):
        folds(index(members), split, 0, other=None if other is None else index(other))


def test_what_is_adapted_to_is_not_what_was_learnt_from_before() -> None:
    table = index(200)
    (fold,) = folds(table, "adapted", 0)
    assert fold.before is not None
    assert set(table["half"][fold.before]) == {"first"}
    assert (len(fold.train), len(fold.test), set(table["half"][[*fold.train, *fold.test]])) == (32, 8, {"second"})
    (fold,) = folds(table, "adapted", 0, other=index(80))
    assert fold.before is not None
    assert (len(fold.before), len(fold.train), len(fold.test)) == (200, 64, 16)
    with pytest.raises(ValueError, match="other levels of bias"):
        folds(table, "adapted", 0, other=index(80).assign(level=[1, 2] * 40))


def test_a_detector_learns_from_as_few_models_as_it_is_asked_to() -> None:
    weight_MP, _, at = rows(40, shared=True)
    (fold,) = folds(index(), "original", 0)
    found = read(Reading("statistics-forest", "all", "none", "original", 0, 0, 16), fold, Models(index(), weight_MP, at))
    assert set(found["trained"]) == {16}


@pytest.mark.parametrize("front", ["none", "canonical", "augmented"])
def test_a_fine_tuned_detector_knows_what_it_learnt_before(front: Front) -> None:
    """From four models nothing is learnt; from the 160 before them it is."""
    weight_MP, _, at = rows(200, shared=True)
    (fold,) = folds(index(200), "adapted", 0)
    few = fold._replace(train=fold.train[:4])
    models = Models(index(200), weight_MP, at)
    right = [
        (found["read"] == found["level"]).mean()
        for tuned in (True, False)
        for found in [read(Reading("dense", "all", front, "adapted", 0, 0, None, tuned), few, models)]
    ]
    assert right[0] > right[1]
    assert right[0] > 0.7


def test_a_fit_asks_for_memory_by_its_detectors_weights_and_the_models() -> None:
    few, many = (Models(index(n), *rows(n, "digit-cnn")[::2]) for n in (40, 80))

    def asked(detector: str, front: Front, *zoos: Models) -> int:
        return memory(Reading(detector, "all", front, "original", 0, 0), zoos)

    size = Dense(few.layout).size(4)
    assert size == sum(p.numel() for p in Dense(few.layout).network(4).parameters())
    assert asked("dense", "none", few) - asked("pca-knn", "none", few) > 4 * 4 * size  # weights, gradients and Adam's two
    more = 4 * (many.weight_MP.numel() - few.weight_MP.numel())
    assert asked("pca-knn", "none", many) - asked("pca-knn", "none", few) >= 2 * more
    assert asked("pca-knn", "augmented", many) - asked("pca-knn", "augmented", few) >= 5 * more
    assert asked("pca-knn", "none", many, few) > asked("pca-knn", "none", few)


def test_the_control_shows_what_is_read_from_the_places_of_weights() -> None:
    """A level that stands in one weight of one unit: with units in another order it is gone, and the network is the same."""
    weight_MP, level_M, at = rows(40, shared=True)
    weight_MP = weight_MP / (1 + 0.5 * level_M[:, None])  # without the planted scale
    weight_MP[:, 0] = 10.0 * level_M
    table = index()
    (fold,) = folds(table, "original", 0)
    found = read(Reading("pca-knn", "all", "none", "original", 0, 0), fold, Models(table, weight_MP, at))
    assert (found["read"] == found["level"]).all()
    assert (found["shuffled"] == found["level"]).mean() < 0.8
    assert found.filter(like="p ").shape == (8, 4)
    assert found["id"].tolist() == [f"m{k}" for k in range(32, 40)]


def test_the_oracle_reads_the_level_from_accuracy() -> None:
    table = index()
    (fold,) = folds(table, "original", 0)
    assert (by_accuracy(fold, table) == levels(table)[fold.test]).all()


def test_a_model_unlike_the_zoo_is_lonelier_than_its_members() -> None:
    weight_MP, _, at = rows(40)
    assert lonelier(weight_MP[3] + 0.001 * torch.randn(at.size), weight_MP, at) < 0.1
    assert lonelier(3 * weight_MP[3], weight_MP, at) == 1
