from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, recall_score

from biasray.metrics.counts import Counts, count
from biasray.metrics.disparity import (
    accuracy_gap,
    accuracy_ratio,
    demographic_parity,
    equal_opportunity,
    equalised_odds,
    model_bias,
)
from biasray.metrics.groups import accuracy, group_average, worst_group

GENDERS = ["Female", "Male"]


def deepface(shared: Path) -> tuple[pd.DataFrame, Counts, list[str]]:
    folder = shared / "data" / "predictions"
    seen = pd.read_csv(folder / "deepface_3k.csv")[["image_id", "gender"]]
    table = pd.read_csv(folder / "fairface_3k_labels.csv").merge(seen, on="image_id", suffixes=("", "_seen"))
    races = sorted(table["race"].unique())
    target, predicted = (pd.Categorical(table[c], GENDERS).codes.astype(np.int64) for c in ("gender", "gender_seen"))
    return table, count(target, pd.Categorical(table["race"], races).codes.astype(np.int64), predicted, 2, 7), races


def test_deepface_is_right_for_685_in_a_thousand_faces(shared: Path) -> None:
    table, counts, _ = deepface(shared)
    assert len(table) == counts.predicted.sum() == 2998
    assert round(float(accuracy(counts)), 3) == 0.685


def test_deepface_fails_black_women_and_not_indian_men(shared: Path) -> None:
    _, counts, races = deepface(shared)
    assert round(float(counts.group_accuracy[0, races.index("Black")]), 3) == 0.130
    assert round(float(counts.group_accuracy[1, races.index("Indian")]), 3) == 0.983
    assert round(float(worst_group(counts)), 3) == 0.130


def test_deepface_group_metrics_are_those_of_pandas(shared: Path) -> None:
    table, counts, _ = deepface(shared)
    right = table["gender"] == table["gender_seen"]
    groups = right.groupby([table["gender"], table["race"]]).mean()
    assert group_average(counts) == pytest.approx(groups.mean())
    per_target = groups.groupby("gender").agg(lambda a: a.mean() - a.min())
    assert model_bias(counts) == pytest.approx(per_target.mean())
    by_race = right.groupby(table["race"]).mean()
    assert accuracy_ratio(counts) == pytest.approx(by_race.min() / by_race.max())
    assert accuracy_gap(counts) == pytest.approx(by_race.max() - by_race.min())
    said_male = (table["gender_seen"] == "Male").groupby(table["race"]).mean()
    assert demographic_parity(counts) == pytest.approx(said_male.max() - said_male.min())
    assert equal_opportunity(counts) == pytest.approx(groups["Male"].max() - groups["Male"].min())


@pytest.mark.parametrize("model", ["resnet", "jtt"])
def test_metrics_of_two_fairface_models_are_those_of_sklearn(shared: Path, model: str) -> None:
    table = pd.read_csv(shared / "data" / "predictions" / f"{model}_fairface_avg_results.csv")
    target, bias, predicted = (table[c].to_numpy() for c in ("y_true", "attr_true", "y_pred"))
    counts = count(target, bias, predicted, 2, 2)
    assert accuracy(counts) == pytest.approx(accuracy_score(target, predicted))
    recall = np.array([[recall_score(target[bias == b], predicted[bias == b], pos_label=t) for b in (0, 1)] for t in (0, 1)])
    np.testing.assert_allclose(counts.group_accuracy, recall)
    np.testing.assert_array_equal(counts.correct, table.pivot_table("correct", "y_true", "attr_true", "sum"))
    assert equalised_odds(counts) == pytest.approx(np.abs(recall[:, 0] - recall[:, 1]).mean())
    assert group_average(counts) == pytest.approx(recall.mean())


def test_jtt_trades_accuracy_for_less_bias(shared: Path) -> None:
    odds = {}
    for model in ("resnet", "jtt"):
        table = pd.read_csv(shared / "data" / "predictions" / f"{model}_fairface_avg_results.csv")
        odds[model] = count(*(table[c].to_numpy() for c in ("y_true", "attr_true", "y_pred")), 2, 2)
    assert round(float(equalised_odds(odds["resnet"])), 3) == 0.447
    assert round(float(equalised_odds(odds["jtt"])), 3) == 0.306
    assert worst_group(odds["jtt"]) > worst_group(odds["resnet"])
    assert accuracy(odds["jtt"]) < accuracy(odds["resnet"])
