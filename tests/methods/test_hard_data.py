"""Every method on data that leave it nothing to find, or too little."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from biasray import methods, networks
from biasray.contract import Labels, Table
from biasray.loop import Place, Plan, train
from biasray.recipe import Recipe
from biasray.resident import Resident
from tests import training

ROWS, CLASSES = 48, 3


def labels(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Targets and bias values, of which an example is aligned where both are the same."""
    random = np.random.default_rng(0)
    target_N = np.arange(ROWS) % CLASSES
    free_N = random.integers(0, CLASSES, ROWS)
    bias_N = {
        "all aligned": target_N,
        "none aligned": (target_N + 1) % CLASSES,
        "a class with one bias value": np.where(target_N == 0, 0, free_N),
        "one example of a class": np.where(np.arange(ROWS) == 5, free_N, target_N),
    }[kind]
    if kind == "one example of a class":
        target_N = np.where((target_N == 2) & (np.arange(ROWS) != 5), 0, target_N)
    return target_N, bias_N


KINDS = ("all aligned", "none aligned", "a class with one bias value", "one example of a class")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", methods.found())
def test_it_goes_on_to_its_end_with_finite_losses(name: str, kind: str, tmp_path: Path) -> None:
    target_N, bias_N = labels(kind)
    image_NHWC = np.random.default_rng(1).integers(0, 90, (ROWS, 8, 8, 3)) + 50 * bias_N[:, None, None, None]
    table = Resident(image_NHWC.astype(np.uint8), target_N, bias_N, CLASSES)
    other = Resident(image_NHWC.astype(np.uint8), bias_N)
    told = Labels(table.target_N, CLASSES, table.bias_N, CLASSES, {"train": ROWS}, {"secondary": (16,) * CLASSES})
    make = partial(networks.build, "mlp", (3, 8, 8))
    of: dict[str, Table] = {"train": table, "validation": table, "exposure": table, "secondary": other}
    plan = Plan(recipe=Recipe(lr=1e-2, batch=8), seed=0)
    settings = training.settings(name)
    method, history = train(lambda: methods.build(name, make, told, settings, 3), of, plan, Place(folder=str(tmp_path)))
    assert all(np.isfinite(list(epoch["losses"].values())).all() for epoch in history)
    assert all(torch.isfinite(x).all() for x in method.state_dict().values() if x.is_floating_point())
