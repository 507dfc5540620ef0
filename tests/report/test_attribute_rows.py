import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from biasray.attribution.regions import Grid
from biasray.metrics.calibration import BINS, Reliability
from biasray.metrics.interval import over_seeds
from biasray.report.attribute_page import Shown, render
from biasray.report.attribute_rows import Mapped, auroc, inside, rows
from biasray.report.robust_rows import BALANCED, ORIGINAL, closed
from biasray.report.robust_rows import rows as robust


def mapped(images: int = 60, shown: bool = True) -> Mapped:
    """Images whose first half's patches are right eight times in ten and say 0.9, and the others' six in ten and say 0.7."""
    drawn = np.random.default_rng(0)
    n_NS, confidence_NS, right_NS = np.zeros((3, images, BINS))
    for n in range(images):
        s, sure, share = (89, 0.9, 0.8) if n % 2 else (69, 0.7, 0.6)
        n_NS[n, s], confidence_NS[n, s], right_NS[n, s] = 100, 100 * sure, drawn.binomial(100, share)
    map_NHW = drawn.normal(size=(images, 8, 8)) + np.arange(8)
    shown_NHW = np.zeros((images, 8, 8), bool)
    shown_NHW[::2, :, 6:] = True
    code_N = np.resize([0, 1, 1], images)
    sure = Reliability(n_NS, confidence_NS, right_NS)
    return Mapped("hat", ("no", "yes"), code_N, map_NHW, map_NHW, sure, shown_NHW if shown else None, 1.0)


def test_figures_of_patches_and_their_intervals_over_images() -> None:
    found = {r["metric"]: r for r in rows("drawn", [mapped()])}
    right = found["accuracy of a patch"]
    assert right["value"] == pytest.approx(0.7, abs=0.03)
    # 30 images of each kind: patches that come and go together leave 0.1 / sqrt(60), 6,000 that did not would leave 0.006.
    assert 0.04 < right["high"] - right["low"] < 0.07
    error = found["expected calibration error"]
    assert error["value"] == pytest.approx(0.1, abs=0.03)
    assert error["low"] < error["value"] < error["high"]
    assert found["always the commonest value"]["value"] == pytest.approx(2 / 3)
    assert (right["n"], right["seeds"], right["interval"]) == (60, 1, "images")


def test_maps_that_agree_are_told_from_noise() -> None:
    metric = "correlation of two halves' mean maps"
    (alike,) = [r for r in rows("drawn", [mapped()]) if r["metric"] == metric]
    assert alike["low"] > 0.9
    noise = mapped()._replace(pixel_NHW=np.random.default_rng(1).normal(size=(60, 8, 8)))
    (unlike,) = [r for r in rows("drawn", [noise]) if r["metric"] == metric]
    assert unlike["high"] < 0.5


def test_without_labels_and_masks_the_maps_are_judged_alone() -> None:
    found = rows("new", [mapped(shown=False)._replace(code_N=np.full(60, -1))])
    assert [r["metric"] for r in found] == ["correlation of two halves' mean maps"]


@pytest.mark.parametrize("labelled", [True, False])
def test_the_page_judges_classifiers_where_images_have_labels(labelled: bool) -> None:
    one = mapped() if labelled else mapped()._replace(code_N=np.full(60, -1))
    image_NHWC = np.zeros((60, 8, 8, 3), np.uint8)
    about = {"command": "python -m pipelines.attribute", "versions": {"torch": "2"}, "hardware": "h", "date": "2026-11-29"}
    html = render(rows("new", [one]), Shown([one], image_NHWC, Grid(side=8, patch=2, across=7), "entropy", {}, None), [], about)
    assert ("May it be as sure as it is?" in html) == labelled
    assert ("accuracy of a patch" in html) == labelled
    assert "Where images show hat" in html


def test_the_area_under_the_curve_is_that_of_scikit_learn() -> None:
    drawn = np.random.default_rng(3)
    map_HW, shown_HW = drawn.integers(0, 9, (12, 12)).astype(float), drawn.random((12, 12)) < 0.3
    assert auroc(map_HW, shown_HW) == pytest.approx(roc_auc_score(shown_HW.ravel(), map_HW.ravel()))


def test_a_peak_is_inside_the_box_and_a_sixteenth_around_it() -> None:
    shown_HW = np.zeros((32, 32), bool)
    shown_HW[10, 10:15] = shown_HW[12, 20] = True
    within = {(8, 12): True, (7, 12): False, (14, 22): True, (14, 23): False, (10, 9): True, (10, 7): False}
    for (row, column), expected in within.items():
        map_HW = np.zeros((32, 32))
        map_HW[row, column] = 1
        assert inside(map_HW, shown_HW) == expected


def predictions(men: float, women: float, seed: int) -> pd.DataFrame:
    """400 test images, half of them men."""
    drawn, target_N = np.random.default_rng(seed), np.repeat([0, 1], 200)
    right_N = drawn.random(400) < np.where(target_N == 0, women, men)
    return pd.DataFrame(
        {"target": target_N, "bias": np.tile([0, 1], 200), "predicted": np.where(right_N, target_N, 1 - target_N)}
    )


def test_gaps_are_between_targets_and_paired_with_the_original() -> None:
    tables = {
        ("erm", ORIGINAL): [predictions(0.6, 0.9, s) for s in range(3)],
        ("erm", BALANCED): [predictions(0.8, 0.8, 10 + s) for s in range(3)],
        ("erm", "general mask 0.8"): [predictions(0.7, 0.85, 20 + s) for s in range(3)],
    }
    found = robust("drawn", tables, ("Female", "Male"))
    gap = next(r for r in found if r["setting"] == ORIGINAL and r["metric"] == "gap" and r["interval"] == "seeds")
    right = {setting: [t["predicted"] == t["target"] for t in tables["erm", setting]] for setting in (ORIGINAL, BALANCED)}
    gaps = {s: np.array([abs(right_N[:200].mean() - right_N[200:].mean()) for right_N in each]) for s, each in right.items()}
    assert gap["value"] == pytest.approx(gaps[ORIGINAL].mean())
    change = [r for r in found if r["setting"] == BALANCED and r["metric"] == "gap minus original"]
    assert [r["interval"] for r in change] == ["examples", "seeds"]
    assert all(r["high"] < 0 for r in change)
    assert change[1]["low"] == pytest.approx(over_seeds(gaps[BALANCED] - gaps[ORIGINAL]).low)
    assert change[1]["p"] is not None
    values = {(r["setting"], r["metric"]): r["value"] for r in found}
    assert closed(found, "erm", "general mask 0.8") == pytest.approx(
        1 - values["general mask 0.8", "gap"] / values[ORIGINAL, "gap"]
    )
    assert 0.3 < closed(found, "erm", "general mask 0.8") < 0.8
