"""What is foreseen of pseudo-labels, against simulated classifiers and pools."""

import numpy as np
import pytest

from biasray.adaptation.balance import Balance
from biasray.adaptation.guard import Outlook, Told, directions, outlook, surveyed

CLASSES = ("Female", "Male")


def said(women: int, men: int, bias: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities, and classes, of a classifier that takes many women for men where `bias` is large."""
    drawn = np.random.default_rng(seed)
    target_N = np.repeat([0, 1], [women, men])
    p_N = 1 / (1 + np.exp(-2 * (np.where(target_N, 1.2, -1.2) + bias + drawn.normal(size=women + men))))
    return np.stack([1 - p_N, p_N], 1), target_N


def told(women: int, men: int, bias: float = 0.0, spread: float = 1.0) -> Told:
    p_VK, target_V = said(1000, 1000, bias, 0)
    return Told(p_VK, target_V, said(women, men, bias, 1)[0], np.array([0.5, 0.5]), spread)


def foresee(told: Told, balance: Balance, threshold: float) -> Outlook:
    return outlook(surveyed(told, CLASSES), balance, threshold)


@pytest.mark.parametrize("bias", [0.0, 1.5])
@pytest.mark.parametrize("women", [300, 1500, 2700])
def test_shares_of_the_pool_are_estimated_though_the_start_model_is_biased(women: int, bias: float) -> None:
    found = surveyed(told(women, 3000 - women, bias), CLASSES)
    assert found.low_K[0] < women / 3000 < found.high_K[0]
    assert found.em_K[0] == pytest.approx(women / 3000, abs=0.04)


def test_a_pool_of_women_harms_a_fair_start_model_and_helps_one_that_takes_women_for_men() -> None:
    fair, biased = (foresee(told(3000, 0, bias), "none", 0.6) for bias in (0.0, 2.5))
    assert fair.word == "will harm"
    assert fair.after_K[0] > fair.start_K[0]
    assert fair.after_K[1] < fair.start_K[1]
    assert "Male is told rightly less often" in fair.because[0]
    assert biased.ratio.low > 0
    assert biased.word == "risky"  # for all that there is no man in the pool
    assert "hardly any of the pool is Male" in " ".join(biased.because)


def test_equal_shares_help_a_biased_start_model_in_a_mixed_pool() -> None:
    equal, none = (foresee(told(1500, 1500, 1.0), balance, 0.9) for balance in ("equal", "none"))
    assert equal.word == "works"
    assert equal.ratio.low > 0
    assert equal.ratio.value > none.ratio.value + 0.1


def test_beside_labelled_images_a_pool_of_women_moves_less() -> None:
    survey = surveyed(told(3000, 0), CLASSES)
    alone, beside = (outlook(survey, "none", 0.6, weight) for weight in (None, 1.0))
    assert alone.ratio.value < beside.ratio.value - 0.1 < 0
    assert outlook(survey, "none", 0.6, 0.0).ratio.value == pytest.approx(0, abs=0.05)


def test_of_few_validation_images_no_harm_is_certain() -> None:
    whole = told(3000, 0)
    few_V = np.r_[:500, 1000:1004]
    found = foresee(whole._replace(p_VK=whole.p_VK[few_V], target_V=whole.target_V[few_V]), "none", 0.6)
    assert found.word == "risky"
    assert "a class has 4 validation images only, so little is certain" in found.because


def test_what_speaks_against_a_pool_is_said() -> None:
    assert any("narrow" in why for why in foresee(told(1500, 1500, spread=0.2), "none", 0.9).because)
    few = foresee(told(40, 40), "none", 0.9)
    assert few.word == "risky"
    assert any("images are learnt as Female" in why for why in few.because)
    odd = told(1500, 1500)
    strange = odd._replace(p_PK=np.clip(odd.p_PK, 0.3, 0.7))
    assert any("differs from validation in more" in why for why in foresee(strange, "none", 0.5).because)


def test_of_a_start_model_that_always_says_the_same_nothing_is_promised() -> None:
    same = told(500, 500)
    p_VK, p_PK = (np.tile([0.4, 0.6], (len(p), 1)) for p in (same.p_VK, same.p_PK))
    found = foresee(same._replace(p_VK=p_VK, p_PK=p_PK), "none", 0.7)
    assert found.word == "risky"
    assert found.accuracy.value == found.ratio.value == 0
    assert "the start model says the same of every class, so how often they occur cannot be told" in found.because
    assert "nan" not in " ".join(found.because)


def test_a_start_model_that_names_classes_in_another_order_is_refused() -> None:
    fair = told(500, 500)
    with pytest.raises(ValueError, match="in another order: most of what is Female it calls Male"):
        surveyed(fair._replace(p_VK=fair.p_VK[:, ::-1]), CLASSES)


def test_directions_are_counted() -> None:
    drawn = np.random.default_rng(0).normal(size=(5000, 8))
    assert directions(drawn) == pytest.approx(8, rel=0.05)
    assert directions(drawn[:, :1] @ np.ones((1, 8))) == pytest.approx(1)
    assert directions(np.ones((10, 3))) == 0
