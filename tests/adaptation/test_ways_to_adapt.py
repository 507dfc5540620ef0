"""Adaptation methods, by hand and on data where what they learn from unlabelled images shows."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from biasray import adaptation, networks
from biasray.adaptation.flexmatch import FlexMatch
from biasray.contract import Labels
from biasray.loop import Place, Plan, train
from biasray.recipe import Recipe
from biasray.resident import Resident


def pictures(rows: int, bright: float, seed: int) -> Resident:
    """Discs (class 1) and squares (class 0), as bright as that: a network that knows bright ones is unsure of dark ones."""
    drawn = np.random.default_rng(seed)
    target_N = drawn.integers(0, 2, rows)
    y, x = np.mgrid[:16, :16]
    image = np.zeros((rows, 16, 16, 3))
    for n, t in enumerate(target_N):
        cy, cx = drawn.uniform(6, 9, 2)
        inside = (y - cy) ** 2 + (x - cx) ** 2 < 25 if t else (abs(y - cy) < 4.4) & (abs(x - cx) < 4.4)
        image[n] = np.where(inside, bright, 0.1)[..., None] + drawn.normal(0, 0.05, (16, 16, 1))
    return Resident((255 * image.clip(0, 1)).astype(np.uint8), target_N)


def start(seed: int = 0) -> dict[str, torch.Tensor]:
    """A network that learnt from a few brighter pictures."""
    torch.manual_seed(seed)
    network, few = networks.build("cnn", (3, 16, 16), 2), pictures(300, 0.5, 0)
    optimiser = torch.optim.Adam(network.parameters(), 2e-3)
    rows = torch.arange(300)
    for _ in range(60):
        batch = few.fetch(rows, rows)
        loss = nn.functional.cross_entropy(network(batch.image), batch.target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network.state_dict()


def made(name: str, settings: dict[str, Any], tables: dict[str, Resident], state: dict[str, torch.Tensor], epochs: int) -> Any:
    def make(outputs: int) -> nn.Module:
        network = networks.build("cnn", (3, 16, 16), outputs)
        network.load_state_dict(state)
        return network

    labels = Labels(tables["train"].target_N, 2, rows={key: len(table) for key, table in tables.items()})
    return partial(adaptation.build, name, make, labels, settings, epochs)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("fine-tune", {}),
        ("pseudo-label", {"threshold": 0.6, "rounds": 3, "balance": "equal"}),
        ("fixmatch", {"threshold": 0.7, "mu": 2, "decay": 0.9}),
        ("flexmatch", {"threshold": 0.7, "mu": 2, "decay": 0.9}),
    ],
)
def test_pictures_of_another_kind_are_told_better_than_by_the_start_model(
    name: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    pool = pictures(400, 0.27, 1)
    tables = {"train": pictures(128, 0.5, 0), "validation": pictures(100, 0.5, 3), "unlabelled": pool, "labelled": pool}
    rows = torch.arange(400)
    batch = pictures(400, 0.27, 2).fetch(rows, rows)

    def wrong(method: Any) -> float:
        with torch.no_grad():
            return float((method.eval().predict(batch.image).argmax(1) != batch.target).float().mean())

    before, after, plan = 0.0, 0.0, Plan(recipe=Recipe(lr=1e-3, batch=32), seed=0)
    for seed in range(4):  # start models differ much
        build = made(name, settings, tables, start(seed), 6)
        before += wrong(build())
        after += wrong(train(build, tables, plan, Place(folder=str(tmp_path / str(seed))))[0])  # type: ignore[arg-type]
    assert after < before / 2


def test_targets_of_the_pool_are_not_looked_at_without_need(tmp_path: Path) -> None:
    for name, kind in adaptation.found().items():
        if "labelled" in kind.needs:
            continue
        found = []
        for target in (np.zeros(200, np.int64), np.ones(200, np.int64)):
            pool = pictures(200, 0.9, 1)
            pool.target_N = torch.tensor(target)
            tables = {"train": pictures(64, 0.5, 0), "validation": pictures(50, 0.5, 3), "unlabelled": pool}
            build = made(name, {"threshold": 0.5}, tables, start(), 1)
            folder = tmp_path / f"{name} {target[0]}"
            plan = Plan(recipe=Recipe(batch=32), seed=0)
            found.append(train(build, tables, plan, Place(folder=str(folder)))[0].state_dict())  # type: ignore[arg-type]
        assert all(torch.equal(one, found[1][key]) for key, one in found[0].items())


def test_thresholds_of_flexmatch_by_hand() -> None:
    tables = {"train": pictures(32, 0.5, 0), "validation": pictures(50, 0.5, 3), "unlabelled": pictures(100, 0.9, 1)}
    method: FlexMatch = made("flexmatch", {"threshold": 0.95, "floor": 0.6}, tables, start(), 1)()
    assert method.thresholds().tolist() == pytest.approx([0.6, 0.6])  # nothing was seen yet: 100 unused, beta 0
    method.get_buffer("label_P")[:60], method.get_buffer("label_P")[60:90] = 0, 1
    beta = 30 / 60
    assert method.thresholds().tolist() == pytest.approx([0.95, max(0.95 * beta / (2 - beta), 0.6)])
    method.get_buffer("label_P")[60:90] = 0
    method.get_buffer("label_P")[90:] = 1
    assert method.thresholds().tolist() == pytest.approx([0.95, 0.6])
    method.get_buffer("label_P")[45:90] = 1
    beta = 45 / 55
    assert method.thresholds().tolist() == pytest.approx([0.95 * beta / (2 - beta), 0.95])


@pytest.mark.parametrize(
    ("name", "settings", "says"),
    [
        ("fixmatch", {"threshold": 1.5}, "threshold and decay must be from 0 to below 1"),
        ("pseudo-label", {"rounds": 0}, "rounds and patience at least 1"),
        ("fine-tune", {"labels": -1}, "it is a whole number, 0 or more"),
        ("flexmatch", {"speed": 3}, "speed"),
        ("mixmatch", {}, "Unknown adaptation 'mixmatch'; choose from fine-tune, fixmatch, flexmatch, pseudo-label"),
    ],
)
def test_settings_that_make_no_sense_are_refused(name: str, settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        adaptation.config(name, settings)
