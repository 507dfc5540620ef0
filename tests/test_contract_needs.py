"""What is promised of every method, real (found by discovery) or in miniature (what the contract must also carry)."""

import dataclasses
import re
import sys
from pathlib import Path

import pytest
import torch

from biasray import methods, space
from biasray.predict import predict
from biasray.world import Alone
from tests.training import ALL, REAL, Case, Stop, distance, equal, killed, labels, run, tables, two, whole

each = pytest.mark.parametrize("subject", ALL)
each_real = pytest.mark.parametrize("subject", REAL)


@each
def test_killed_and_resumed_is_bitwise_the_same(subject: str, tmp_path: Path) -> None:
    case = Case(subject)
    (result,), kills = killed(case, tmp_path, 1, (0.0, 0.0, 0.05, 1e9))
    assert kills
    assert equal(result, whole(case))


@each
def test_two_workers_train_what_one_does_and_agree_bitwise(subject: str) -> None:
    case = Case(subject, precision="float64")
    first, second = two(case)
    assert equal(first, second)
    assert distance(whole(case), first) < 1e-9


@pytest.mark.parametrize("subject", [*REAL, "Views"])
def test_two_workers_train_what_one_does_with_batch_norm_and_an_idle_worker(subject: str) -> None:
    case = Case(subject, network="cnn-bn", precision="float64", rows=49)  # the last batch holds one example
    first, second = two(case)
    assert equal(first, second)
    assert distance(whole(case), first) < 1e-9


@each_real
def test_two_workers_in_float32_differ_by_rounding_only(subject: str, record_property: pytest.FixtureRequest) -> None:
    difference = distance(whole(Case(subject)), two(Case(subject))[0])
    record_property("difference", difference)
    assert difference < 0.05


@each
def test_two_workers_killed_and_resumed_are_bitwise_the_same(subject: str, tmp_path: Path) -> None:
    case = Case(subject, precision="float64")
    results, kills = killed(case, tmp_path, 2, (0.0, 0.05))
    assert kills
    assert all(equal(a, b) for a, b in zip(results, two(case), strict=True))


@pytest.mark.parametrize("subject", [name for name in ALL if name not in REAL or "bias" not in methods.get(name).needs])
def test_bias_labels_do_not_reach_a_method_that_does_not_need_them(subject: str) -> None:
    assert equal(whole(Case(subject)), whole(Case(subject, told=False)))


@each_real
def test_needs_are_known(subject: str) -> None:
    assert methods.get(subject).needs <= {"bias", "secondary"}


@each
def test_fetching_ahead_changes_nothing(subject: str) -> None:
    assert equal(whole(Case(subject)), whole(Case(subject, ahead=True)))


@each
def test_the_best_epoch_on_validation_is_what_predicts(subject: str) -> None:
    case = Case(subject, select="accuracy", epochs=3)
    of = tables(case.rows)
    method = case.build(labels(of))
    method.load_state_dict(whole(case).state)
    seen = predict(method.eval().predict, of["validation"], 64, Alone(), torch.device("cpu"), "float32")
    best = max(entry["accuracy"] for entry in whole(case).history[-case.epochs :])
    assert float((seen.logits_NK.argmax(1) == seen.target_N).double().mean()) == best


def test_these_short_trainings_do_what_they_are_for() -> None:
    """Else the checks above would be of nothing."""
    state = {name: whole(Case(name)).state for name in ALL}
    assert (state["poisoner"]["label_N"] != tables()["train"].target_N).sum() > 0
    for name, buffer in (
        ("poisoner", "aligned_N"),
        ("bias-ensemble", "aligned_N"),
        ("echoes", "target_weight_N"),
        ("jtt", "wrong_N"),
    ):
        assert len(state[name][buffer].unique()) > 1
    assert (state["Rounds"]["label_P"] >= 0).any()
    assert len(state["Wrapper"]["map_HW"].unique()) > 1
    assert state["Wrapper"]["inner.wrong_N"].any()
    assert sum(entry["stage"] == "first" for entry in whole(Case("Patient")).history) < 6
    assert any("tells_0" in entry["losses"] for entry in whole(Case("jlu")).history)


@each_real
def test_a_contiguous_copy_of_the_state_trains_on_equally(subject: str, tmp_path: Path) -> None:
    """A round trip through safetensors loses channels-last strides, and fused Adam would take others silently."""
    case = Case(subject)
    run_to(case, tmp_path, 7)
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert any(not x.is_contiguous() for x in state["method"].values())
    state["method"] = {name: x.contiguous() for name, x in state["method"].items()}
    torch.save(state, tmp_path / "state.pt")
    assert equal(run(case, tmp_path), whole(case))


def run_to(case: Case, folder: Path, events: int) -> None:
    left = [events]

    def event(*_: object) -> None:
        left[0] -= 1
        if not left[0]:
            raise Stop

    with pytest.raises(Stop):
        run(case, folder, event=event, save_seconds=0.0)


@each_real
def test_config_is_frozen_and_its_ranges_hold_its_defaults(subject: str) -> None:
    config = methods.config(subject, {})
    assert type(config).__name__ == "Config"
    assert dataclasses.is_dataclass(config)
    assert config.__dataclass_params__.frozen
    for name, range_ in space.ranges(type(config)).items():
        default = getattr(config, name)
        assert default is None or default in range_, name  # None: the method's own choice
        assert range_.low < range_.high


@each_real
def test_an_unknown_setting_is_refused_with_the_known_ones(subject: str) -> None:
    with pytest.raises(ValueError, match=f"{subject} has no setting 'wheels'; it has: "):
        methods.config(subject, {"wheels": 4})


@each_real
def test_own_presets_build(subject: str) -> None:
    for preset in methods.get(subject).own.values():
        methods.config(subject, preset.settings)
        preset.recipe.build([torch.zeros(1, requires_grad=True)])
        assert preset.epochs > 0


@each_real
def test_the_docstring_names_paper_equation_and_axes(subject: str) -> None:
    text = sys.modules[methods.get(subject).__module__].__doc__ or ""
    assert re.search(r"(19|20)\d\d", text), "no year of a paper"
    assert " = " in text or "{i:" in text, "no equation"
    assert "Axes:" in text
    assert methods.get(subject).__final__


def test_names_are_module_names_with_dashes() -> None:
    assert {"erm", "group-dro", "jtt", "lff"} <= set(REAL)
    assert all(methods.get(name).__module__.endswith("." + name.replace("-", "_")) for name in REAL)


def test_an_unknown_method_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"Unknown method 'group_dro'; choose from .*erm, "):
        methods.get("group_dro")
