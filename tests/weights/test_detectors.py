"""Every detector, by discovery."""

from typing import Any, Literal, final

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from torch import Tensor, nn

from biasray.networks import layout
from biasray.weights import detectors
from biasray.weights.chain import chain, shuffled
from biasray.weights.detectors.conv1x1 import Conv1x1, Pointwise
from biasray.weights.features import Invariants
from biasray.weights.fronts import Augmented, Canonical
from biasray.weights.neural import Neural
from tests.weights.planted import LEVELS, rows

WEIGHT_MP, LEVEL_M, AT = rows(160, shared=True)
X, Y = WEIGHT_MP.numpy(), LEVEL_M.numpy()
TRAIN, TEST = slice(0, 120), slice(120, 160)
BLIND_TO_ORDER = ("statistics-logistic", "statistics-forest", "statistics-boosting", "invariants-forest", "equivariant")


def made(name: str, epochs: int = 40) -> Any:
    """A detector that costs little. (Of 100 scaled components most are noise, and one model is everyone's neighbour.)"""
    detector = detectors.found()[name](AT, 0)
    few = {"epochs": epochs, "lr": 1e-2} if isinstance(detector, Neural) else {"components": 5} if "knn" in name else {}
    return detector.set_params(**few)


@pytest.mark.parametrize("name", detectors.found())
def test_it_reads_a_planted_level_again_and_again_and_is_a_scikit_learn_classifier(name: str) -> None:
    fitted = made(name).fit(X[TRAIN], Y[TRAIN])
    p_MK = fitted.predict_proba(X[TEST])
    assert p_MK.shape == (40, LEVELS)
    assert np.allclose(p_MK.sum(1), 1, atol=1e-5)
    assert (fitted.predict(X[TEST]) == fitted.classes_[p_MK.argmax(1)]).all()
    assert (fitted.predict(X[TEST]) == Y[TEST]).mean() > 0.7
    again = clone(fitted).fit(X[TRAIN], Y[TRAIN])
    assert (again.predict_proba(X[TEST]) == p_MK).all()


@pytest.mark.parametrize("name", detectors.found())
def test_it_reads_all_layers_or_the_convolutions_alone(name: str) -> None:
    for layers in ("all", "conv"):
        detector = detectors.build(name, AT, 0, layers)  # type: ignore[arg-type]
        if isinstance(detector[-1], Neural):
            detector[-1].set_params(epochs=1)
        fitted = detector.fit(X[TRAIN], Y[TRAIN])
        others = X[TEST].copy()
        others[:, chain(AT)[2].weight.start :] = X[TRAIN][:40, chain(AT)[2].weight.start :][::-1] * 2
        blind = bool((fitted.predict_proba(others) == fitted.predict_proba(X[TEST])).all())
        assert blind == (layers == "conv")


@pytest.mark.parametrize("layers", ["all", "conv"])
@pytest.mark.parametrize("name", BLIND_TO_ORDER)
def test_what_should_not_see_the_order_of_units_does_not(name: str, layers: Literal["all", "conv"]) -> None:
    detector = detectors.build(name, AT, 0, layers)
    if isinstance(detector[-1], Neural):
        detector[-1].set_params(epochs=2)
    fitted = detector.fit(X[TRAIN], Y[TRAIN])
    moved = shuffled(WEIGHT_MP[TEST], AT, 1).numpy()
    assert np.allclose(fitted.predict_proba(moved), fitted.predict_proba(X[TEST]), atol=1e-4)


def test_units_put_in_the_order_of_the_first_model_undo_any_other_order() -> None:
    front = Canonical(AT).fit(X[TRAIN])
    moved = shuffled(WEIGHT_MP[TEST], AT, 1).numpy()
    assert (front.transform(moved) == X[TEST]).all()


def test_learning_from_several_orders_helps_where_the_order_is_another_one() -> None:
    moved = shuffled(WEIGHT_MP[TEST], AT, 1).numpy()
    plain = made("conv1x1").fit(X[TRAIN], Y[TRAIN])
    augmented = Augmented(made("conv1x1"), AT).fit(X[TRAIN], Y[TRAIN])
    wrong = [np.mean(d.predict(moved) != Y[TEST]) for d in (plain, augmented)]
    assert wrong[1] < wrong[0] or wrong[1] == 0


@pytest.mark.parametrize("layers", ["all", "conv"])
def test_a_detector_behind_units_put_in_order_reads_any_order(layers: Literal["all", "conv"]) -> None:
    moved = shuffled(WEIGHT_MP[TEST], AT, 1).numpy()
    plain, behind = (
        detectors.build("conv1x1", AT, 0, layers, front).fit(X[TRAIN], Y[TRAIN]) for front in ("none", "canonical")
    )
    assert (behind.predict_proba(moved) == behind.predict_proba(X[TEST])).all()
    assert not np.allclose(plain.predict_proba(moved), plain.predict_proba(X[TEST]), atol=1e-3)
    others = X[TEST].copy()
    others[:, chain(AT)[2].weight.start :] = X[TRAIN][:40, chain(AT)[2].weight.start :][::-1] * 2
    assert (behind.predict_proba(others) == behind.predict_proba(X[TEST])).all() == (layers == "conv")


@final
class Halves(Neural):
    """Remembers which rows it learnt from and which it stopped by."""

    def network(self, levels: int) -> nn.Module:
        return nn.Linear(self.layout.size, levels)

    def _trained(self, network: nn.Module, weight_MP: Tensor, level_M: Tensor, learnt: Tensor, held: Tensor) -> nn.Module:
        self.learnt_, self.held_ = learnt.numpy(), held.numpy()
        return network


@pytest.mark.parametrize("piped", [False, True])
def test_a_detector_that_learns_from_several_orders_never_stops_by_a_model_that_it_learns_from(piped: bool) -> None:
    detector = make_pipeline(Halves(AT)) if piped else Halves(AT)
    fitted = Augmented(detector, AT, copies=3).fit(X[TRAIN], Y[TRAIN]).detector_
    halves = fitted[-1] if piped else fitted
    assert len(halves.learnt_) + len(halves.held_) == 360
    assert len(halves.held_) == 3 * 18
    assert not set(halves.learnt_ % 120) & set(halves.held_ % 120)


@pytest.mark.parametrize("name", detectors.found())
def test_cross_validation_takes_it(name: str) -> None:
    assert cross_val_score(made(name, epochs=1), X[TEST], Y[TEST], cv=2, error_score="raise").shape == (2,)


def test_grid_search_finds_the_setting_that_learns() -> None:
    search = GridSearchCV(made("conv1x1", epochs=20), {"lr": [1e-7, 1e-2]}, cv=2, error_score="raise").fit(X[TRAIN], Y[TRAIN])
    assert search.best_params_["lr"] == 1e-2


def test_a_pointwise_block_is_two_convolutions_pooled_over_the_whole_kernel_and_over_units() -> None:
    """The mistake of public code: pooling 3 x 3 sees a corner of a 5 x 5 kernel."""
    layer = chain(AT)[0]
    block = Pointwise(layer)
    kernel_UVHW = AT.take(WEIGHT_MP)[layer.weight.name][0]
    by_place = F.conv2d(kernel_UVHW, block.channels.weight[:, :, None, None], block.channels.bias).relu()
    by_unit = F.max_pool2d(by_place, 5)[:, :, 0, 0].T[None]
    expected = F.conv1d(by_unit, block.units.weight[:, :, None], block.units.bias).relu().amax(2)
    assert torch.allclose(block(WEIGHT_MP[:1]), expected, atol=1e-6)


def test_a_detector_goes_on_from_another_where_tensors_fit() -> None:
    first = Conv1x1(AT, epochs=6).fit(X[TRAIN], Y[TRAIN])
    started, fresh = (Conv1x1(AT, epochs=0).fit(X[TRAIN], Y[TRAIN], start=start) for start in (first, None))
    assert (started.predict_proba(X[TEST]) == first.predict_proba(X[TEST])).all()
    assert not (fresh.predict_proba(X[TEST]) == first.predict_proba(X[TEST])).all()
    wide = layout.of(nn.Sequential(nn.Conv2d(3, 6, 5), nn.Conv2d(6, 8, 3), nn.Flatten(), nn.Linear(8, 5)))
    other = Conv1x1(wide, epochs=0).fit(X[:8, : wide.size], Y[:8], start=first)
    given, taken = first.network_.state_dict(), other.network_.state_dict()
    assert torch.equal(taken["blocks.1_weight.channels.weight"], given["blocks.1_weight.channels.weight"])
    assert taken["blocks.3_weight.dense.weight"].shape != given["blocks.3_weight.dense.weight"].shape


def test_statistics_are_those_of_numpy_by_layer() -> None:
    features = detectors.found()["statistics-logistic"](AT, 0)[0].transform(X[:2])
    first = X[:2, : 6 * 3 * 25]
    assert features.shape == (2, 7 * 8)
    assert features[:, 0] == pytest.approx(first.mean(1))
    assert features[:, 1] == pytest.approx(first.var(1))
    assert features[:, 4] == pytest.approx(np.median(first, 1))


def test_the_largest_singular_values_are_those_of_numpy_of_layers_with_more_units_than_inputs_too() -> None:
    found = layout.of(nn.Sequential(nn.Linear(30, 40), nn.Linear(40, 12), nn.Linear(12, 3)))
    weight_MP = torch.randn(2, found.size, generator=torch.Generator().manual_seed(0))
    each = [layer.between(found.take(weight_MP)).flatten(2).numpy() for layer in chain(found)]
    expected = [np.sort(np.linalg.svd(w, compute_uv=False), axis=1)[:, -10:] for w in each]
    assert Invariants(found).transform(weight_MP.numpy())[:, :23] == pytest.approx(np.concatenate(expected, 1), rel=1e-5)


def test_components_are_no_more_than_models_allow() -> None:
    few = made("pca-knn").fit(X[:8], Y[:8])
    assert isinstance(few.pipeline_[0], PCA)
    assert few.pipeline_[0].n_components == 5
    assert detectors.found()["pca-knn"](AT, 0).fit(X[:8], Y[:8]).pipeline_[0].n_components == 7


def test_an_unknown_detector_is_named() -> None:
    with pytest.raises(ValueError, match="Unknown detector 'magic'; choose from conv1x1, dense, equivariant"):
        detectors.build("magic", AT, 0)
