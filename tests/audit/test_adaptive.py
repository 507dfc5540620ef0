import numpy as np
import pandas as pd
import pytest

from biasray.audit.adaptive import FEWEST, Policy, Replays, Rule, at_stop, audited, from_table, replayed, rule, stops
from biasray.audit.estimators.local import Local
from biasray.audit.figures import Figure
from biasray.audit.study import Fit, Pool, in_turn
from biasray.metrics.counts import Floats
from tests.audit.references import references


def replays(models: int, seed: int) -> Replays:
    """Errors that shrink as answers come in; the spread tells about how large they are, and by chance is too small at times."""
    drawn = np.random.default_rng(seed)
    size_MKT = drawn.uniform(0.2, 1, (models, 1, 2)) / np.sqrt(np.arange(1, 41))[:, None]
    one = pd.Series(["a"] * models)
    return Replays(drawn.normal(0, 2 * size_MKT), size_MKT * drawn.lognormal(0, 0.5, size_MKT.shape), one)


def test_asking_ends_where_every_spread_is_small_enough_but_not_before_a_few_answers() -> None:
    spread_MKT = np.tile(np.linspace(1, 0.1, 10)[:, None], (3, 1, 2))
    spread_MKT[1, :, 1], spread_MKT[2] = 1, 0
    assert stops(spread_MKT, 0.25).tolist() == [9, 10, FEWEST]


@pytest.mark.parametrize("within", [0.8, 1.2, 2.0])
def test_intervals_hold_as_often_as_they_say_where_the_answers_decide_when_asking_ends(within: float) -> None:
    known, new = rule(within, replays(300, 0)), replays(4000, 1)
    _, off_MT, spread_MT = at_stop(new, known.limit)
    half_MT = known.ratio_T * spread_MT
    assert np.mean(half_MT.max(1) <= within) == pytest.approx(0.9, abs=0.1)
    assert (np.abs(off_MT) <= half_MT).mean() == pytest.approx(0.9, abs=0.025)


def test_a_narrower_interval_takes_more_answers_and_one_that_cannot_be_had_takes_all() -> None:
    known = replays(300, 0)
    rules = [rule(within, known) for within in (3, 2, 1, 0.8, 0.01)]
    answers = [at_stop(known, found.limit)[0].mean() for found in rules[:-1]]
    assert answers == sorted(answers)
    assert answers[0] < 8
    never = rules[-1]
    stop_M, off_MT, spread_MT = at_stop(known, never.limit)
    assert (stop_M == 40).all()
    assert (np.abs(off_MT) <= never.ratio_T * spread_MT).mean() == pytest.approx(0.9, abs=0.01)


def test_a_model_that_is_told_worse_than_every_replay_still_ends_where_its_interval_is_narrow_enough() -> None:
    known = rule(50.0, replays(300, 0))
    assert stops(2 * replays(1, 1).spread_MKT, known.limit) == FEWEST
    assert (known.ratio_T * known.limit).max() == pytest.approx(50)


def test_what_is_asked_of_a_black_box_is_what_was_replayed_of_the_references() -> None:
    answer_RN, bias_RT, _, _ = references(images=20)
    learnt = Local().fit(answer_RN[5:], bias_RT[5:])
    value_MKT, spread_MKT, image_MK = replayed(learnt, answer_RN[:5])
    limit = float(np.median(spread_MKT))
    for m, stop in enumerate(stops(spread_MKT, limit)):
        policy, given_N, asked = Policy(learnt, Rule(limit, np.ones(1)), 20), np.full(20, np.nan), list[int]()
        while (image := policy.next(given_N, asked)) is not None:
            asked.append(image)
            given_N[image] = answer_RN[m, image]
        assert asked == image_MK[m, :stop].tolist()
        assert learnt.told(given_N).value_T == pytest.approx(value_MKT[m, stop - 1])


def test_a_model_unlike_any_reference_gets_no_interval_in_turn_either() -> None:
    answer_RN, bias_RT, architecture_R, _ = references(each=20, images=20, figures=1)
    answer_RN[3, 7] += 100  # strange as soon as it is asked about image 7
    about = pd.DataFrame({"id": [f"{k:03d}" for k in range(60)], "network": [f"net {a}" for a in architecture_R], "bias": "x"})
    pool = Pool(answer_RN, bias_RT, [Figure("gender", "Male", "Female")], about)
    tables = [in_turn(Fit(f"net {a}", "local", "in turn", 0), pool, np.arange(20), judged=True) for a in range(3)]
    table = pd.concat(tables, ignore_index=True)
    left = architecture_R != 0
    _, _, image_1K = replayed(Local().fit(answer_RN[left], bias_RT[left]), answer_RN[3:4])
    strange = int(np.flatnonzero(image_1K[0] == 7)[0]) + 1
    assert FEWEST < strange < 20
    mine = table[table["id"] == "003"].set_index("budget")["refused"]
    assert mine[mine].index.tolist() == list(range(strange, 21))
    ended = audited(table.assign(off=table["estimate"] - table["truth"]), 0.0).set_index("id")["refused"]
    assert ended["003"]
    assert not ended["000"]


def test_an_image_without_an_answer_is_not_asked_about_again_and_the_budget_is_kept() -> None:
    answer_RN, bias_RT, _, _ = references(images=20)
    policy, asked = Policy(Local().fit(answer_RN, bias_RT), Rule(np.inf, np.ones(1)), 12), list[int]()
    while (image := policy.next(np.full(20, np.nan), asked)) is not None:
        asked.append(image)
    assert len(set(asked)) == len(asked) == 12


def test_each_architecture_is_audited_by_a_rule_that_its_own_replays_have_no_part_in() -> None:
    answer_RN, bias_RT, architecture_R, _ = references(each=20, images=20, figures=2)
    about = pd.DataFrame({"id": [f"{k:03d}" for k in range(60)], "network": [f"net {a}" for a in architecture_R], "bias": "x"})
    pool = Pool(answer_RN, bias_RT, [Figure("gender", "Male", "Female"), Figure("race", "Black", "all")], about)
    tables = [in_turn(Fit(f"net {a}", "local", "in turn", 0), pool, np.arange(20)) for a in range(3)]
    table = pd.concat(tables, ignore_index=True)
    table["off"] = table["estimate"] - table["truth"]
    there = from_table(table)
    assert there.off_MKT.shape == (60, 20, 2)
    one = table[(table["id"] == "041") & (table["budget"] == 7)].set_index("figure")
    assert (there.off_MKT[41, 6] == one["off"]).all()
    assert (there.spread_MKT[41, 6] == one["spread"]).all()
    ended = audited(table, 0.8)
    mine = table["network"] == "net 1"
    spoilt = audited(table.assign(off=table["off"].where(~mine, 100.0)), 0.8)

    def halves(of: pd.DataFrame) -> Floats:
        return of[of["network"] == "net 1"]["half"].to_numpy()

    assert (halves(spoilt) == halves(ended)).all()
    assert (spoilt[spoilt["network"] == "net 0"]["half"].to_numpy() > ended[ended["network"] == "net 0"]["half"]).all()
