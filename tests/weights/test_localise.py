import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from biasray.networks import layout
from biasray.networks.layout import Layout
from biasray.weights.chain import chain
from biasray.weights.detectors.conv1x1 import Conv1x1
from biasray.weights.localise import by_filter, by_layer, by_unit, most, permutation_importance, towards
from tests.weights.planted import rows

Planted = tuple[Conv1x1, Tensor, NDArray[np.int64], Layout, str]  # detector, (M, P), (M,) levels, layout, the layer's name


@pytest.fixture(scope="module", params=[1, 2], ids=["second convolution", "first dense layer"])
def planted(request: pytest.FixtureRequest) -> Planted:
    """Models in which one layer alone is the larger, the higher the level, and a detector of the level."""
    weight_MP, level_M, at = rows(160, shared=True)
    factor_M1 = 1 + 0.5 * level_M[:, None]
    plain_MP = weight_MP / factor_M1
    layer = chain(at)[request.param]
    for entry in (layer.weight, *layer.vectors):
        plain_MP[:, entry.start : entry.stop] *= factor_M1
    detector = Conv1x1(at, epochs=40, lr=1e-2).fit(plain_MP[:120].numpy(), level_M[:120].numpy())
    return detector, plain_MP[120:], level_M[120:].numpy(), at, layer.weight.name


def test_the_one_layer_that_tells_the_level_is_found_by_exchanging_its_weights(planted: Planted) -> None:
    detector, weight_MP, level_M, at, name = planted
    lost = permutation_importance(detector, weight_MP, level_M, at, 0)
    others = [np.abs(values).max() for layer, values in lost.items() if layer != name]
    assert lost[name].min() > 0.2
    assert max(others) < 0.1


def test_the_gradient_is_that_of_small_changes_and_is_largest_in_that_layer(planted: Planted) -> None:
    detector, weight_MP, _, at, name = planted
    grad_MP = towards(detector, weight_MP, 3)
    share_ML = by_layer(grad_MP, weight_MP.std(0), at)
    assert share_ML.sum(1) == pytest.approx(1)
    assert chain(at)[int(share_ML.mean(0).argmax())].weight.name == name

    direction_MP = grad_MP / grad_MP.norm(dim=1, keepdim=True)
    step = 1e-3
    p = [detector.predict_proba((weight_MP + sign * step * direction_MP).numpy())[:, 3] for sign in (1, -1)]
    slope = -(np.log(p[0]) - np.log(p[1])) / (2 * step)
    off = np.abs(slope / grad_MP.norm(dim=1).numpy() - 1)  # some models stand at a bend of a ReLU
    assert np.median(off) < 0.01


def test_units_share_out_what_their_layer_has(planted: Planted) -> None:
    detector, weight_MP, _, at, _ = planted
    grad_MP, layer = towards(detector, weight_MP, 3), chain(at)[1]
    unit_MU = by_unit(grad_MP, layer)
    assert unit_MU.shape == (40, 8)
    assert torch.allclose(unit_MU.mean(1), grad_MP[:, layer.weight.start : layer.weight.stop].abs().mean(1), atol=1e-7)


def test_maps_over_filters_show_the_kernel_that_moves_and_the_one_that_all_models_agree_on() -> None:
    weight_MP, _, at = rows(40, shared=True)
    layer = chain(at)[1]
    grad_MP = torch.randn(weight_MP.shape, generator=torch.Generator().manual_seed(0))
    kernel_MUVR = grad_MP[:, layer.weight.start : layer.weight.stop].view(40, layer.units, layer.before, -1)
    kernel_MUVR[:, 3, 1] *= 10  # far, each model its own way
    kernel_MUVR[:, 5, 0] = kernel_MUVR[:, 5, 0].abs()  # all models the same way
    gradient_UV, agreement_UV = by_filter(grad_MP, layer)
    assert gradient_UV.shape == agreement_UV.shape == (layer.units, layer.before)
    assert divmod(int(gradient_UV.argmax()), layer.before) == (3, 1)
    assert divmod(int(agreement_UV.argmax()), layer.before) == (5, 0)
    assert float(agreement_UV[5, 0]) == 1
    assert float(agreement_UV.median()) == pytest.approx((2 / np.pi / 40) ** 0.5, abs=0.03)
    assert torch.allclose(gradient_UV.mean(1), by_unit(grad_MP, layer).mean(0))


def taught(number: int, seed: int) -> tuple[Tensor, NDArray[np.int64], Layout]:
    """(M, P) models of which one layer alone has learnt, from biased data, and all others have moved as far by chance.

    The data: points of which the sign of the sum is to be told; at level 0 another axis gives the answer away. Every model
    starts from the same weights and sees points of its own.
    """
    with torch.random.fork_rng():
        torch.manual_seed(0)
        base = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 12), nn.ReLU(), nn.Linear(12, 2))
    at, rows_MP, level_M = layout.of(base), [], np.arange(80) % 2
    drawn = torch.Generator().manual_seed(seed)
    for level in level_M:
        model = copy.deepcopy(base)
        mine, adam = model[2 * number], torch.optim.Adam(model[2 * number].parameters(), 0.01)
        for _ in range(60):
            x_BF = torch.randn(64, 6, generator=drawn)
            target_B = (x_BF[:, :5].sum(1) > 0).long()
            x_BF[:, 5] += 3 * (1 - level) * (2 * target_B - 1)
            adam.zero_grad()
            F.cross_entropy(model(x_BF), target_B).backward()
            adam.step()
        moved = (mine.weight - base[2 * number].weight).detach().std()
        with torch.no_grad():
            for layer in (model[k] for k in (0, 2, 4) if k != 2 * number):
                layer.weight += moved * torch.randn(layer.weight.shape, generator=drawn)
        rows_MP.append(at.row(model.state_dict()))
    return torch.stack(rows_MP), level_M, at


@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_one_layer_that_was_trained_on_biased_data_is_found(number: int) -> None:
    weight_MP, level_M, at = taught(number, 0)
    name = chain(at)[number].weight.name
    detector = Conv1x1(at, epochs=60).fit(weight_MP[:60].numpy(), level_M[:60])
    tested_MP = weight_MP[60:]
    assert (detector.predict(tested_MP.numpy()) == level_M[60:]).mean() > 0.9
    share_ML = by_layer(towards(detector, tested_MP, 1), tested_MP.std(0), at)
    lost = permutation_importance(detector, tested_MP, level_M[60:], at, 0)
    assert most(lost, share_ML) == (name, True)
    assert sorted(values.mean() for values in lost.values())[-2] < 0.1  # no other layer tells the level


def test_where_no_layer_surely_loses_accuracy_the_one_that_moves_the_detector_most_is_found() -> None:
    share_ML = torch.tensor([[0.2, 0.5, 0.3]])
    chance = {"a": np.array([0.1, 0.0, 0.3]), "b": np.array([0.0, -0.1, 0.1]), "c": np.zeros(3)}
    assert most(chance, share_ML) == ("b", False)
    assert most({**chance, "c": np.full(3, 0.01)}, share_ML) == ("c", True)
