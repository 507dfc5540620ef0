"""Members of a digit zoo on trial: what is learnt from, chosen by and judged on, and what is said of it."""

import dataclasses
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from biasray import networks
from biasray.networks import layout
from biasray.weights.chain import chain
from biasray.weights.detectors.conv1x1 import Conv1x1
from biasray.weights.repair import WAYS, Case, Way
from biasray.weights.study import Models, levels
from biasray.zoo.digits import LEVELS
from biasray.zoo.exam import Kept
from biasray.zoo.repairing import PACK, Seen, Ward, admitted, change, check, drops, located, parted, repaired
from biasray.zoo.train import train
from tests.zoo.members import DIGITS, member

torch.set_num_threads(1)
SHAPE = (3, 28, 28)


def admit(weight_MP: Tensor, index: pd.DataFrame, epochs: int) -> Ward:
    at = layout.of(networks.build("digit-cnn", SHAPE, 10))
    detector = Conv1x1(at, epochs=epochs).fit(weight_MP.numpy(), levels(index))
    return Ward(Models(index, weight_MP, at), detector, "digit-cnn", SHAPE, 10, DIGITS, 0)


@pytest.fixture(scope="module")
def ward() -> Ward:
    """Ten members, so that there is more than a pack of them."""
    members = [member(k, precision="float32", epochs=1) for k in range(10)]
    assert len(members) > PACK
    weight_MP = torch.cat([train(members[k : k + 5], DIGITS, "grouped", torch.device("cpu")).weight_MP for k in (0, 5)])
    return admit(weight_MP, pd.DataFrame([one.describe() for one in members]), epochs=2)


def network(ward: Ward, number: int) -> networks.Network:
    made = networks.build("digit-cnn", SHAPE, 10).eval()
    made.load_state_dict(ward.layout.state_dict(ward.weight_MP[number]))
    return made


def test_digits_are_learnt_from_chosen_by_or_judged_on_and_only_that() -> None:
    parts = parted(DIGITS, 0)
    every = np.concatenate(list(parts.values()))
    assert sorted(every) == np.flatnonzero(DIGITS.examples["split"] == "test").tolist()
    assert len(set(every)) == len(every)


def test_the_first_digits_of_a_part_are_no_others_than_the_rest_where_a_table_is_in_their_order() -> None:
    ordered = dataclasses.replace(DIGITS, examples=DIGITS.examples.sort_values("digit", kind="stable", ignore_index=True))
    for rows in parted(ordered, 0).values():
        assert not (np.diff(ordered.examples["digit"].iloc[rows].astype(int)) >= 0).all()


def test_a_member_is_judged_as_the_network_that_it_is(ward: Ward) -> None:
    right_MT = ward.right("judge", ward.weight_MP)
    for number in (0, 9):
        exam = ward.packs[number // PACK].exams["judge"]
        image_BCHW = exam.images(torch.arange(len(exam.digit_T)))[number % PACK].permute(0, 3, 1, 2)
        with torch.no_grad():
            guess_T = network(ward, number)(image_BCHW).argmax(1)
        assert torch.equal(right_MT[number], guess_T == exam.digit_T)


@pytest.mark.parametrize("step", [0, 1])
def test_the_digits_gradient_is_that_of_the_network_on_the_next_digits_in_its_own_colours(step: int, ward: Ward) -> None:
    exam, number = ward.packs[1].exams["tune"], 9
    at_B = torch.arange(32 * step, 32 * (step + 1)) % len(exam.digit_T)
    made = network(ward, number)
    F.cross_entropy(made(exam.images(at_B)[number % PACK].permute(0, 3, 1, 2)), exam.digit_T[at_B]).backward()
    row_P = torch.cat([p.grad.flatten() for p in made.parameters() if p.grad is not None])
    torch.testing.assert_close(ward.digits(ward.weight_MP, step)[number], row_P, rtol=1e-3, atol=1e-4)


def test_dropout_goes_on_only_where_asked_and_comes_out_the_same_again(ward: Ward) -> None:
    plain, dropped, again = (ward.seen(ward.weight_MP, dropping).kept.ratio_MT for dropping in (False, True, True))
    assert torch.equal(dropped, again)
    assert not torch.allclose(plain, dropped)
    assert drops("digit-cnn", SHAPE, 10)
    assert not drops("mlp", SHAPE, 10)


@pytest.mark.parametrize("name", ["cnn-bn", "cnn"])
def test_networks_with_norms_are_one_sentence(name: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name} has norms between its layers, which no way of repair knows"):
        check(name, layout.of(networks.build(name, SHAPE, 10)))


def test_a_setting_is_chosen_on_its_own_digits_and_judged_once_with_its_weights_and_its_control(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps that count on from the size; the control counts down. Digits to choose by like 22 best, the others 33."""
    judged = list[float]()

    def right(part: str, weight_MP: Tensor, dropping: bool = False) -> Tensor:
        value = float((weight_MP - ward.weight_MP)[0, 0].round())
        return torch.full((10, 1), part == "choose" and value == 22)

    def seen(weight_MP: Tensor, dropping: bool = False) -> Seen:
        judged.append(float((weight_MP - ward.weight_MP)[0, 0].round()))
        return ward_seen(weight_MP, dropping)

    def count(case: Case, weight_MP: Tensor, size: float) -> Iterator[Tensor]:
        while True:
            weight_MP = weight_MP + size
            yield weight_MP

    ward_seen = ward.seen
    monkeypatch.delitem(vars(ward), "before", raising=False)
    monkeypatch.setattr(ward, "right", right)
    monkeypatch.setattr(ward, "seen", seen)
    way = Way(count, (10.0, 11.0), (1, 2, 3), control=lambda case, weight_MP, size: count(case, weight_MP, -size))
    found = repaired(way, ward)
    del ward.before
    assert (found["size"], found["steps"]) == (11.0, 2)
    assert judged == [0, 22, -22]
    assert [t["steps"] for t in found["tried"]] == [1, 2, 3, 1, 2, 3]


def seen(right_MT: Tensor, ratio_MT: Tensor, counted_MT: Tensor | None = None) -> Seen:
    counted_MT = torch.ones_like(ratio_MT, dtype=torch.bool) if counted_MT is None else counted_MT
    return Seen(right_MT > 0, Kept(ratio_MT, counted_MT), np.zeros(len(right_MT), int))


def test_a_change_is_the_mean_over_members_with_intervals_of_paired_differences() -> None:
    drawn = torch.Generator().manual_seed(0)
    right_MT = (torch.rand(20, 400, generator=drawn) < 0.5).double()
    gained_MT = (torch.rand(20, 400, generator=drawn) < 0.1) & (right_MT == 0)
    ratio_MT = torch.rand(20, 400, generator=drawn)
    found = change(seen(right_MT, ratio_MT), seen(right_MT + gained_MT, ratio_MT + 0.1))
    accuracy, score = found["accuracy"], found["colour score"]
    gain_M, gain_T = gained_MT.double().mean(1), gained_MT.double().mean(0)
    assert accuracy["change"] == pytest.approx(float(gain_M.mean()))
    assert accuracy["members"]["n"] == 20
    assert accuracy["digits"]["n"] == 400
    wide = {"members": 2.093 * float(gain_M.std()) / 20**0.5, "digits": 1.96 * float(gain_T.std()) / 400**0.5}
    for kind, half in wide.items():
        assert (accuracy[kind]["high"] - accuracy[kind]["low"]) / 2 == pytest.approx(half, rel=0.15)
        assert (score[kind]["low"], score[kind]["high"]) == pytest.approx((0.1, 0.1), abs=1e-6)


def test_a_colour_score_is_of_digits_that_are_right_before_and_after() -> None:
    """One member loses the half of its digits that keep least, another all of them: neither has gained anything."""
    right_MT, ratio_MT, counted_MT = torch.ones(3, 50), torch.linspace(0, 1, 50).repeat(3, 1), torch.ones(3, 50) > 0
    fewer_MT = counted_MT.clone()
    fewer_MT[0, :25] = False
    fewer_MT[1] = False
    found = change(seen(right_MT, ratio_MT), seen(right_MT, ratio_MT, fewer_MT))["colour score"]
    assert found["change"] == found["digits"]["low"] == found["digits"]["high"] == 0
    assert found["members"]["n"] == 2
    assert found["counted"] == pytest.approx(0.5)
    assert "colour score" not in change(seen(right_MT, ratio_MT), seen(right_MT, ratio_MT, ~counted_MT))


def test_the_layer_that_alone_tells_the_level_is_located() -> None:
    """A shared network in whose second convolution alone weights are the larger, the higher the level."""
    members = pd.DataFrame([member(k, precision="float32").describe() for k in range(60)])
    made = networks.build("digit-cnn", SHAPE, 10)
    at = layout.of(made)
    row_P, code_M = at.row(made.state_dict()), torch.from_numpy(levels(members))
    weight_MP = row_P + 0.002 * torch.randn(60, at.size, generator=torch.Generator().manual_seed(0))
    layer = chain(at)[1]
    weight_MP[:, layer.weight.start : layer.weight.stop] *= 1 + code_M[:, None]
    ward = admit(weight_MP, members, epochs=60)
    found = located(ward)
    assert found["found"] == layer.weight.name
    assert found["right"] > 45
    share = {each["name"]: each["share"]["value"] for each in found["layers"]}
    assert sum(share.values()) == pytest.approx(1, abs=1e-4)
    lost = {each["name"]: each["lost"]["value"] for each in found["layers"]}
    assert max(lost, key=lambda name: lost[name]) == layer.weight.name


def index(**columns: object) -> pd.DataFrame:
    return pd.DataFrame({"level": np.tile(list(LEVELS), 20), **columns})


def test_the_detector_learns_from_no_member_that_is_repaired_nor_from_one_of_its_half() -> None:
    halves = index(half=["first"] * 40 + ["second"] * 40)
    sick, others = admitted(halves, 18, 0)
    assert set(halves["half"].iloc[sick]) == {"second"}
    assert set(halves["half"].iloc[others]) == {"first"}
    assert halves["level"].iloc[sick].value_counts().tolist() == [4] * 4
    whole = index(half="first")
    sick, others = admitted(whole, 16, 0)
    assert sorted([*sick, *others]) == list(range(80))
    assert whole["level"].iloc[sick].value_counts().tolist() == [4] * 4
    assert not np.array_equal(sick, admitted(whole, 16, 1)[0])


@pytest.mark.parametrize("members", [0, 3, 64, 1000])
def test_members_that_cannot_be_spared_are_one_sentence(members: int) -> None:
    with pytest.raises(ValueError, match=rf"^--members {members}: give 4 to 60, as many of each of 4 levels\.$"):
        admitted(index(half="first"), members, 0)


@pytest.mark.parametrize("first", [12, 78], ids=["too few to learn from", "a half without a level"])
def test_a_zoo_that_is_too_small_is_one_sentence(first: int) -> None:
    with pytest.raises(ValueError, match=r"^The zoo is too small to repair members of it: .* make a larger one\.$"):
        admitted(index(half=["first"] * first + ["second"] * (80 - first)), 4, 0)


def test_a_way_that_is_published_takes_one_step_of_the_papers_size() -> None:
    for name in ("fgsm-published", "gradient-published"):
        assert (WAYS[name].sizes, WAYS[name].stops) == ((0.02,), (1,))
