"""JTT against a plain training of its own, and the public frameworks' mistakes."""

from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from biasray import methods, networks
from biasray.contract import Labels, Method, Table
from biasray.loop import Place, Plan, Tick, train
from biasray.random import generator, key
from biasray.recipe import Recipe
from tests.training import CLASSES, SIDE, Noting, labels, table

T, LAMBDA, EPOCHS, SEED = 2, 3, 3, 7
# So much weight decay that either training would end elsewhere without it, as the first did in a public framework.
RECIPE = Recipe(lr=2e-3, weight_decay=0.3, batch=16, schedule="step", every=1, drop=0.5)
make = partial(networks.build, "cnn", (3, SIDE, SIDE))


def fitted(folder: Path, name: str, epochs: int, train_table: Table, told: Labels) -> tuple[Method, list[list[Tensor]]]:
    """A trained method, and the rows of each batch by stage."""
    noting = Noting(train_table)
    batches: dict[str, list[Tensor]] = {}

    def note(tick: Tick) -> None:
        batches.setdefault(tick.stage, []).append(noting.rows[-1])

    settings = {"identify": T, "copies": LAMBDA} if name == "jtt" else {}
    method, _ = train(
        lambda: methods.build(name, make, told, settings, epochs),
        {"train": noting, "validation": table(20, 2)},
        Plan(recipe=RECIPE, seed=SEED),
        Place(folder=str(folder), progress=note, save_seconds=1e9),
    )
    return method, list(batches.values())


def by_hand(batches: list[Tensor], epochs: int, of: Table, target_N: Tensor, *purpose: object) -> nn.Module:
    """Fresh weights, a fresh optimiser, and a schedule of its own on these rows."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(key(SEED, *purpose))
        plain = make(CLASSES).to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(plain.parameters(), RECIPE.lr, weight_decay=RECIPE.weight_decay, fused=True)
    for step, rows in enumerate(batches):
        optimiser.param_groups[0]["lr"] = RECIPE.lr * 0.5 ** (step // (len(batches) // epochs))
        optimiser.zero_grad()
        F.cross_entropy(plain(of.fetch(rows, rows).image), target_N[rows]).backward()
        optimiser.step()
    return plain


def same(ours: nn.Module, plain: nn.Module) -> None:
    for name, x in plain.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], x, rtol=1e-5, atol=1e-7)


def test_the_second_training_is_a_plain_one_from_scratch_on_the_enlarged_table(tmp_path: Path) -> None:
    of = table(51, 0)
    told = labels({"train": of})
    first, (rows,) = fitted(tmp_path / "erm", "erm", T, of, told)  # the first training is ERM of T epochs
    same(first.get_submodule("network"), by_hand(rows, T, of, of.target_N, "start"))
    everything = of.fetch(torch.arange(51), torch.arange(51))
    with torch.no_grad():
        wrong_N = first.predict(everything.image).argmax(1) != of.target_N
    assert 0 < wrong_N.sum() < 51

    method, (identify, fit) = fitted(tmp_path / "jtt", "jtt", EPOCHS, of, told)

    assert torch.equal(method.get_buffer("wrong_N"), wrong_N)
    assert len(identify) == T * 4
    count_N = 1 + LAMBDA * wrong_N
    steps = -(-51 // 16)  # as many as of any other method
    assert len(fit) == EPOCHS * steps
    orders = [torch.cat(fit[e * steps : (e + 1) * steps]) for e in range(EPOCHS)]
    assert all((torch.bincount(rows, minlength=51) <= count_N).all() for rows in orders)
    assert all(torch.bincount(rows, minlength=51).max() > 1 for rows in orders)
    assert not torch.equal(orders[0], orders[1])

    same(method.get_submodule("network"), by_hand(fit, EPOCHS, of, of.target_N, "fresh", 2))


def test_an_empty_error_set_still_trains(tmp_path: Path) -> None:
    of = table(33, 0)
    of.target_N.zero_()  # one class only: soon nothing is wrong
    told = labels({"train": of})
    method, (_, fit) = fitted(tmp_path, "jtt", 1, of, told)
    assert not method.get_buffer("wrong_N").any()
    assert sorted(torch.cat(fit).tolist()) == list(range(33))


def test_an_epoch_is_a_part_of_the_table_with_each_error_added_lambda_times() -> None:
    method = methods.build("jtt", make, Labels(torch.zeros(200).long(), 2), {"copies": 4}, 1)
    method.get_buffer("wrong_N")[:50] = True
    rows = method.stages()[2].streams["train"].rows
    assert rows is not None
    epochs = [rows(generator(k)) for k in range(200)]
    assert {len(e) for e in epochs} == {200}
    mean_N = torch.stack([torch.bincount(e, minlength=200) for e in epochs]).double().mean(0)
    # 50 x 5 + 150 = 400 rows in the enlarged table, of which an epoch takes half.
    torch.testing.assert_close(mean_N[:50].mean(), torch.tensor(5 / 2).double(), rtol=0.02, atol=0)
    torch.testing.assert_close(mean_N[50:].mean(), torch.tensor(1 / 2).double(), rtol=0.03, atol=0)


def test_the_first_training_is_counted_in_epochs_or_else_in_steps() -> None:
    told = Labels(torch.zeros(6).long(), 2)
    given = methods.build("jtt", make, told, {"identify": 4}, 1).stages()[0]
    assert (given.epochs, given.steps) == (4, None)
    assert methods.build("jtt", make, told, {}, 1).stages()[0].steps == 200
