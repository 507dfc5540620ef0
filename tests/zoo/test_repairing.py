"""Members of a digit zoo on trial: what is learnt from, chosen by and judged on, and what is said of it."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from biasray import networks
from biasray.networks import layout
from biasray.weights.detectors.conv1x1 import Conv1x1
from biasray.weights.repair import WAYS, Case, Way
from biasray.weights.study import Models, levels
from biasray.zoo.digits import LEVELS
from biasray.zoo.exam import Kept
from biasray.zoo.repairing import Seen, Ward, admitted, effects, parted, repaired
from biasray.zoo.train import train
from tests.zoo.members import DIGITS, member

torch.set_num_threads(1)
SHAPE = (3, 28, 28)


@pytest.fixture(scope="module")
def ward() -> Ward:
    """Ten members, so that there is more than a pack of them."""
    members = [member(k, precision="float32", epochs=1) for k in range(10)]
    weight_MP = torch.cat([train(members[k : k + 5], DIGITS, "grouped", torch.device("cpu")).weight_MP for k in (0, 5)])
    index = pd.DataFrame([one.describe() for one in members])
    at = layout.of(networks.build("digit-cnn", SHAPE, 10))
    detector = Conv1x1(at, epochs=2).fit(weight_MP.numpy(), levels(index))
    return Ward(Models(index, weight_MP, at), detector, "digit-cnn", SHAPE, 10, DIGITS, 0)


def test_digits_are_learnt_from_chosen_by_or_judged_on_and_only_that() -> None:
    parts = parted(DIGITS, 0)
    every = np.concatenate(list(parts.values()))
    assert sorted(every) == np.flatnonzero(DIGITS.examples["split"] == "test").tolist()
    assert len(set(every)) == len(every)


def test_a_member_predicts_as_the_network_that_it_is(ward: Ward) -> None:
    image_MBHWC = torch.rand(10, 4, 28, 28, 3, generator=torch.Generator().manual_seed(0)) * 255
    said = ward.predictor(ward.weight_MP)(image_MBHWC)
    network = networks.build("digit-cnn", SHAPE, 10).eval()
    network.load_state_dict(ward.layout.state_dict(ward.weight_MP[9]))
    with torch.no_grad():
        torch.testing.assert_close(said[9], network(image_MBHWC[9].permute(0, 3, 1, 2)), rtol=1e-4, atol=1e-3)


def test_the_digits_gradient_is_that_of_the_network_on_its_own_colours(ward: Ward) -> None:
    exam, at_B = ward.exams["tune"], torch.arange(32) % len(ward.exams["tune"].digit_T)
    network = networks.build("digit-cnn", SHAPE, 10).eval()
    network.load_state_dict(ward.layout.state_dict(ward.weight_MP[3]))
    F.cross_entropy(network(exam.images(at_B)[3].permute(0, 3, 1, 2)), exam.digit_T[at_B]).backward()
    row_P = torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])
    torch.testing.assert_close(ward.digits(ward.weight_MP, 0)[3], row_P, rtol=1e-3, atol=1e-4)


def test_dropout_goes_on_only_where_asked_and_comes_out_the_same_again(ward: Ward) -> None:
    image_MBHWC = torch.rand(10, 4, 28, 28, 3, generator=torch.Generator().manual_seed(0)) * 255
    plain, dropped, again = (ward.predictor(ward.weight_MP, drops)(image_MBHWC) for drops in (False, True, True))
    assert torch.equal(dropped, again)
    assert not torch.allclose(plain, dropped)


def test_dropout_is_refused_where_there_is_none(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ward, "dropout", False)
    with pytest.raises(ValueError, match=r"^digit-cnn has no dropout that could go on when it predicts; leave that way out\.$"):
        repaired(WAYS["dropout"], ward)


def test_a_setting_is_chosen_on_its_own_digits_and_the_others_are_looked_at_once(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sizes 1 to 3, of which the second is best by the digits to choose by, whatever the others say."""
    looked = list[str]()

    def right(name: str, predict: object) -> Tensor:
        looked.append(name)
        n = len(ward.exams[name].digit_T)
        return torch.full((10, n), name == "choose" and len([x for x in looked if x == "choose"]) == 2)

    for name, exam in ward.exams.items():
        monkeypatch.setattr(exam, "right", lambda predict, name=name: right(name, predict))

    def stand_still(case: Case, weight_MP: Tensor, size: float) -> Iterator[Tensor]:
        yield weight_MP

    monkeypatch.delitem(vars(ward), "before", raising=False)
    found = repaired(Way(stand_still, (1.0, 2.0, 3.0)), ward)
    del ward.before
    assert (found["size"], found["steps"]) == (2.0, 1)
    assert looked == ["judge", "choose", "choose", "choose", "judge"]


def seen(right_MT: Tensor, ratio_MT: Tensor) -> Seen:
    return Seen(right_MT > 0, Kept(ratio_MT, torch.ones_like(ratio_MT, dtype=torch.bool)), np.zeros(len(right_MT), int))


def test_a_change_is_the_mean_over_members_with_intervals_that_hold_it() -> None:
    drawn = torch.Generator().manual_seed(0)
    right_MT = (torch.rand(20, 400, generator=drawn) < 0.5).double()
    better_MT = torch.maximum(right_MT, (torch.rand(20, 400, generator=drawn) < 0.1).double())
    ratio_MT = torch.rand(20, 400, generator=drawn)
    found = {(e["metric"], e["interval"]): e for e in effects(seen(right_MT, ratio_MT), seen(better_MT, ratio_MT + 0.1))}
    for kind, n in (("members", 20), ("digits", 400)):
        accuracy, score = found["unbiased accuracy", kind], found["colour score", kind]
        assert accuracy["change"] == pytest.approx(float((better_MT - right_MT).mean()))
        assert 0 < accuracy["low"] < accuracy["change"] < accuracy["high"]
        assert score["change"] == pytest.approx(0.1, abs=1e-6)
        assert (accuracy["n"], score["n"]) == (n, n)


def test_members_that_get_nothing_right_have_no_colour_score_and_are_not_counted() -> None:
    right_MT, ratio_MT = torch.ones(3, 50), torch.full((3, 50), 0.5)
    before, after = seen(right_MT, ratio_MT), seen(right_MT, ratio_MT)
    after.kept.counted_MT[0] = False
    found = [e for e in effects(before, after) if e["metric"] == "colour score"]
    assert [e["n"] for e in found] == [2, 50]
    assert all(e["change"] == e["low"] == e["high"] == 0 for e in found)


def index(**columns: object) -> pd.DataFrame:
    return pd.DataFrame({"level": np.tile(list(LEVELS), 20), **columns})


def test_the_detector_learns_from_no_member_that_is_repaired_nor_from_one_of_its_half() -> None:
    halves = index(half=["first"] * 40 + ["second"] * 40)
    sick, others = admitted(halves, 16, 0)
    assert set(halves["half"].iloc[sick]) == {"second"}
    assert set(halves["half"].iloc[others]) == {"first"}
    assert halves["level"].iloc[sick].value_counts().tolist() == [4] * 4
    whole = index(half="first")
    sick, others = admitted(whole, 16, 0)
    assert sorted([*sick, *others]) == list(range(80))
    assert whole["level"].iloc[sick].value_counts().tolist() == [4] * 4
    assert not np.array_equal(sick, admitted(whole, 16, 1)[0])


@pytest.mark.parametrize("members", [3, 64, 1000])
def test_more_members_than_a_zoo_can_spare_are_one_sentence(members: int) -> None:
    with pytest.raises(ValueError, match=rf"^--members {members}: give 4 or more, .* 20 of a level .* learn from others\.$"):
        admitted(index(half="first"), members, 0)


def test_a_kept_probability_counts_where_the_digit_is_known_in_its_own_colour() -> None:
    kept = Kept(torch.tensor([[0.2, 0.8, 0.9]]), torch.tensor([[True, True, False]]))
    assert float(kept.score()) == pytest.approx(0.5)
