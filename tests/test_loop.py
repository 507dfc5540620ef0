"""The loop: schedules, budgets, choice of epochs, failures, and what it leaves behind."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from biasray import loop
from biasray.contract import Batch, Draw, Labels, Method, Objective, Scan, Stage, Stream, Table, networks
from biasray.loop import SCORES, Place, Plan, Tick, train
from biasray.recipe import Recipe
from biasray.resident import Resident
from tests import training
from tests.training import ADAPTING, Case, Stop, distance, equal, labels, run, tables, whole

SGD = Recipe(optimiser="sgd", lr=0.5, momentum=0.0, batch=16)
Stages = Callable[["Probe"], tuple[Stage, ...]]


class Aging(nn.Module):
    """A weight, and how many epochs it has seen."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, dtype=torch.float64))
        self.register_buffer("age", torch.zeros((), dtype=torch.long))


class Probe(Method):
    """Its loss has gradient 1, so each step lowers its weight by just the learning rate, which it notes.

    At age a it is right on the first rightness[a - 1] examples of each bias group, by what `peek` hid in their pixels.
    """

    own = {}

    def __init__(self, stages: Stages, right: list[tuple[int, int]] | None = None, spoil: int = -1) -> None:
        nn.Module.__init__(self)
        self.network, self.make_stages, self.right, self.spoil = Aging(), stages, right or [(0, 0)] * 99, spoil
        self.average = Aging().requires_grad_(False)  # predicts, but is not trained
        self.rates: list[float] = []
        self.sizes: list[int] = []

    def stages(self) -> tuple[Stage, ...]:
        return self.make_stages(self)

    def step(self, draw: Draw) -> Iterator[Objective]:
        self.sizes.append(len(draw().index))
        before = self.network.weight.detach().clone()
        bad = math.nan if len(self.sizes) == self.spoil else 1.0
        yield Objective(("network",), self.network.weight.sum() * bad)
        self.rates.append(float(before - self.network.weight.detach()))

    def older(self, scan: Scan) -> None:
        self.network.get_buffer("age").add_(1)
        self.average.get_buffer("age").add_(1)

    def predict(self, image_BCHW: Tensor) -> Tensor:
        target_B, rank_B, bias_B = (image_BCHW[:, i, 0, 0].mul(255).round().long() for i in range(3))
        limit_2 = torch.tensor(self.right[int(self.average.get_buffer("age")) - 1])
        return nn.functional.one_hot(torch.where(rank_B < limit_2[bias_B], target_B, 1 - target_B), 2).float()


def peek(biases: tuple[int, ...] = (0, 1)) -> Resident:
    """Ten examples of each bias, whose pixels tell target, rank within the bias group, and bias."""
    rank_N, bias_N = np.tile(np.arange(10), len(biases)), np.repeat(biases, 10)
    image = np.stack([rank_N % 2, rank_N, bias_N], 1)[:, None, None, :].repeat(2, 1).repeat(2, 2)
    return Resident(image.astype(np.uint8), rank_N % 2, bias_N, 2)


def probe(
    folder: Path,
    stages: Stages,
    recipe: Recipe = SGD,
    select: Any = "last",
    place: dict[str, Any] | None = None,
    extra: dict[str, Table] | None = None,
    **more: Any,
) -> tuple[Probe, list[dict[str, Any]]]:
    plan = Plan(recipe=recipe, seed=1, precision="float64", select=select)
    of: dict[str, Table] = {"train": training.table(50, 0, torch.float64), "validation": peek(), "test": Forbidden()}
    of |= extra or {}
    method, history = train(
        lambda: Probe(stages, **more), of, plan, Place(folder=str(folder), **{"save_seconds": 1e9, **(place or {})})
    )
    assert isinstance(method, Probe)
    return method, history


class Forbidden(Table):
    def __len__(self) -> int:
        raise AssertionError("the test table was asked for its length")

    def fetch(self, index_B: Tensor, key_B: Tensor) -> Batch:
        raise AssertionError("the test table was read")


def fit(epochs: int, **more: Any) -> Stages:
    return lambda m: (Stage("fit", m.step, epochs, after_epoch=m.older, **more),)


# Schedules and budgets ----------------------------------------------------------------------------


def test_each_stage_starts_its_step_schedule_anew(tmp_path: Path) -> None:
    recipe = Recipe(optimiser="sgd", lr=0.5, momentum=0, batch=16, schedule="step", every=2, drop=0.1)
    method, _ = probe(tmp_path, lambda m: (Stage("one", m.step, 3), Stage("two", m.step, 3)), recipe)
    stage = [0.5] * 8 + [0.05] * 4  # an epoch of 50 examples has 4 steps
    assert method.rates == pytest.approx(stage * 2)


def test_each_stage_starts_its_cosine_anew_over_its_own_epochs(tmp_path: Path) -> None:
    recipe = Recipe(optimiser="sgd", lr=0.5, momentum=0, batch=16, schedule="cosine")
    method, _ = probe(tmp_path, lambda m: (Stage("one", m.step, 2), Stage("two", m.step, steps=5)), recipe)
    epochs = [epoch + at / 50 for epoch in range(2) for at in (0, 16, 32, 48)]
    cosine = [0.25 * (1 + math.cos(math.pi * done)) for done in [*(e / 2 for e in epochs), *(s / 5 for s in range(5))]]
    assert method.rates == pytest.approx(cosine)


def test_an_epoch_holds_every_row_and_its_last_batch_is_short(tmp_path: Path) -> None:
    method, _ = probe(tmp_path, fit(2))
    assert method.sizes == [16, 16, 16, 2] * 2


def test_steps_count_over_epochs(tmp_path: Path) -> None:
    method, history = probe(tmp_path, lambda m: (Stage("fit", m.step, steps=6), Stage("more", m.step, 1)))
    assert len(method.sizes) == 6 + 4
    assert [(entry["stage"], entry["epoch"]) for entry in history] == [("fit", 1), ("fit", 2), ("more", 1)]


def test_steps_end_a_stage_within_an_epoch_also_when_killed(tmp_path: Path) -> None:
    left = [4]

    def stop(_: Tick) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Stop

    def stages(m: Probe) -> tuple[Stage, ...]:
        return (Stage("fit", m.step, steps=6),)

    with pytest.raises(Stop):
        probe(tmp_path, stages, place={"save_seconds": 0.0, "progress": stop})
    method, _ = probe(tmp_path, stages)
    assert method.network.weight.item() == -0.5 * 6
    assert len(method.sizes) == 3  # the fourth step was done but not yet saved


@pytest.mark.parametrize("leaving", [True, False])
def test_where_the_machine_will_be_taken_away_checkpoints_follow_soon(
    leaving: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "HASTE", 0.0)
    state = tmp_path / "state.pt"
    there: list[bool] = []
    probe(tmp_path, fit(2), place={"leaving": lambda: leaving, "progress": lambda tick: there.append(state.exists())})
    assert there == [leaving] * 8


def test_progress_names_the_stage_and_counts_images_and_epochs_of_all_stages(tmp_path: Path) -> None:
    ticks: list[Tick] = []
    probe(
        tmp_path,
        lambda m: (Stage("one", m.step, steps=2), Stage("look", None), Stage("two", m.step, 2)),
        place={"progress": ticks.append},
    )
    assert [t.stage for t in ticks] == ["one"] * 2 + ["two"] * 8
    assert [t.images for t in ticks] == [16, 16] + [16, 16, 16, 2] * 2
    assert {t.total for t in ticks} == {2 * 16 / 50 + 2}  # two steps are so much of an epoch
    done = [t.done for t in ticks]
    assert done == sorted(done)
    assert done[0] > 0
    assert done[-1] == ticks[-1].total


# Choice of epochs ---------------------------------------------------------------------------------

RIGHT = [(2, 6), (10, 2), (6, 4), (8, 2)]  # accuracy 0.4 0.6 0.5 0.5, worst group 0.2 0.2 0.4 0.2


@pytest.mark.parametrize(("select", "best"), [("last", 4), ("accuracy", 2), ("worst-group", 3)])
def test_the_epoch_kept_is_chosen_on_validation_and_test_is_never_read(tmp_path: Path, select: str, best: int) -> None:
    method, history = probe(tmp_path, fit(4), select=select, right=RIGHT)
    assert int(method.network.get_buffer("age")) == best
    assert method.network.weight.item() == -0.5 * 4 * best
    assert [entry["accuracy"] for entry in history] == pytest.approx([0.4, 0.6, 0.5, 0.5])
    assert [entry["worst_group"] for entry in history] == pytest.approx([0.2, 0.2, 0.4, 0.2])


def test_what_predicts_but_is_not_trained_is_kept_too(tmp_path: Path) -> None:
    method, _ = probe(tmp_path, fit(4), select="accuracy", right=RIGHT)
    assert int(method.average.get_buffer("age")) == 2


def test_a_stage_restores_its_best_epoch_before_the_next_stage(tmp_path: Path) -> None:
    def stages(m: Probe) -> tuple[Stage, ...]:
        first = Stage("first", m.step, 4, after_epoch=m.older, choose=m.predict, keep=("network",))
        return (first, Stage("fit", m.step, 1))

    method, _ = probe(tmp_path, stages, right=RIGHT)
    assert int(method.network.get_buffer("age")) == 2
    assert method.network.weight.item() == -0.5 * 4 * (2 + 1)


@pytest.mark.parametrize(("choice", "best"), [({}, 2), ({"choice": (1,)}, 1)])
def test_a_stages_own_choice_is_made_on_a_table_for_it_where_there_is_one(
    tmp_path: Path, choice: dict[str, tuple[int, ...]], best: int
) -> None:
    def stages(m: Probe) -> tuple[Stage, ...]:
        first = Stage("first", m.step, 4, after_epoch=m.older, choose=lambda x: m.predict(x), keep=("network",))
        return (first, Stage("fit", m.step, 1))

    method, _ = probe(tmp_path, stages, right=RIGHT, extra={name: peek(biases) for name, biases in choice.items()})
    assert int(method.network.get_buffer("age")) == best


@pytest.mark.parametrize(("patience", "epochs"), [(1, 3), (2, 4), (9, 4)])
def test_patience_ends_a_stage(tmp_path: Path, patience: int, epochs: int) -> None:
    _, history = probe(tmp_path, lambda m: fit(4, choose=m.predict, patience=patience)(m), right=RIGHT)
    assert len(history) == epochs


def test_history_holds_stage_epoch_losses_and_scores(tmp_path: Path) -> None:
    _, history = probe(tmp_path, lambda m: (Stage("look", None), Stage("fit", m.step, 2)), right=RIGHT)
    weight = [-0.5 * (0 + 1 + 2 + 3) / 4, -0.5 * (4 + 5 + 6 + 7) / 4]  # mean over the steps of an epoch
    assert [entry["losses"] for entry in history] == [{"network": weight[0]}, {"network": weight[1]}]
    assert all(set(entry) == {"stage", "epoch", "losses", *(f.__name__ for f in SCORES)} for entry in history)


# Failures -----------------------------------------------------------------------------------------


def test_a_loss_that_is_not_finite_is_one_sentence_and_leaves_the_last_good_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^The loss of network is not finite in epoch 2 of Probe's stage 'fit': ") as error:
        probe(tmp_path, fit(3), spoil=7, place={"save_seconds": 0.0})
    assert "\n" not in str(error.value)
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert state["method"]["network.weight"].item() == -0.5 * 6
    assert state["at"]["step"] == 6


def test_a_loss_that_is_not_finite_is_seen_at_the_end_of_an_epoch_at_the_latest(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="epoch 1 of Probe's stage 'fit'"):
        probe(tmp_path, fit(3), spoil=2)
    assert not (tmp_path / "state.pt").exists()


def test_a_stream_without_rows_is_one_sentence(tmp_path: Path) -> None:
    empty = Stream(rows=lambda _: torch.empty(0, dtype=torch.long))
    with pytest.raises(ValueError, match=r"^Stream 'train' of Probe's stage 'fit' has no example to train on; ") as error:
        probe(tmp_path, fit(1, streams={"train": empty}))
    assert "\n" not in str(error.value)


# Checkpoints, precision, randomness ---------------------------------------------------------------


def test_a_finished_training_does_nothing_more(tmp_path: Path) -> None:
    case, events = Case("erm"), []
    first = run(case, tmp_path)
    again = run(case, tmp_path, event=lambda *_: events.append(1))
    assert equal(first, again)
    assert not events


def test_dropout_is_repeatable_after_a_kill(tmp_path: Path) -> None:
    case, left = Case("erm", network="digit-cnn", side=24), [9]

    def stop() -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Stop

    with pytest.raises(Stop):
        run(case, tmp_path, event=stop, save_seconds=0.0)
    torch.rand(100)
    assert equal(run(case, tmp_path), whole(case))


def test_training_leaves_the_callers_random_state_out_of_it(tmp_path: Path) -> None:
    torch.manual_seed(123)
    assert equal(run(Case("lff"), tmp_path), whole(Case("lff")))


@pytest.mark.parametrize("subject", training.REAL)
def test_judging_networks_by_bias_labels_does_not_change_the_training(subject: str, tmp_path: Path) -> None:
    state = run(Case(subject, judged=False), tmp_path).state
    assert all(torch.equal(x, state[name]) for name, x in whole(Case(subject)).state.items())


def test_networks_that_expose_the_bias_are_those_that_the_stage_names() -> None:
    found = {e["stage"]: list(e["exposed"]) for e in whole(Case("poisoner")).history}
    assert found == {"poison": ["biased"], "debias": []}
    assert {name for e in whole(Case("Wrapper")).history for name in e["exposed"]} == {"inner.network"}


@pytest.mark.parametrize("subject", ["erm", "lff", "Views"])
def test_bf16_trains_nearly_what_float32_does(subject: str) -> None:
    low, full = whole(Case(subject, precision="bf16")), whole(Case(subject))
    assert all(x.dtype != torch.bfloat16 for x in low.state.values())
    assert distance(low, full) > 0
    for a, b in zip(low.history, full.history, strict=True):
        assert a["losses"] == pytest.approx(b["losses"], rel=0.05)


@pytest.mark.parametrize("subject", ADAPTING)
def test_adaptations_train_in_bf16(subject: str) -> None:
    losses = [loss for epoch in whole(Case(subject, precision="bf16")).history for loss in epoch["losses"].values()]
    assert losses
    assert np.isfinite(losses).all()


def test_networks_named_are_those_trained_and_of_a_wrapped_method_its_own() -> None:
    of = tables()
    assert networks(Case("Views").build(labels(of))) == ["network"]
    assert networks(Case("Wrapper").build(labels(of))) == ["region", "inner.network"]
    assert networks(Case("jlu").build(labels(of))) == ["network", "tells_0"]


def test_a_method_is_not_shown_bias_labels_that_it_does_not_need(monkeypatch: pytest.MonkeyPatch) -> None:
    from biasray import methods

    seen: list[Labels] = []
    for name, kind in methods.found().items():
        monkeypatch.setattr(kind, "__init__", lambda self, make, told, config, epochs: seen.append(told))
        methods.build(name, nn.Linear, labels(tables()), {}, 1)
        assert (seen[-1].bias_N is not None) == ("bias" in kind.needs)
