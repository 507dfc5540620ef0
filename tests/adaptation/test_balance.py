"""How many pseudo-labels of each class are learnt from."""

import pytest
import torch

from biasray.adaptation.balance import chosen, counted, shares, thinned

LABEL_P = torch.tensor([0] * 60 + [1] * 30 + [-1] * 40)
NAMES = ("Female", "Male")
GENERATOR = torch.Generator().manual_seed(0)


@pytest.mark.parametrize(
    ("share", "want"), [(None, (60, 30)), ([0.5, 0.5], (30, 30)), ([0.8, 0.2], (60, 15)), ([0.2, 0.8], (8, 30))]
)
def test_as_many_are_kept_as_can_be_had_with_these_shares(share: list[float] | None, want: tuple[int, int]) -> None:
    row = chosen(LABEL_P, None if share is None else torch.tensor(share), NAMES, GENERATOR)
    assert torch.bincount(LABEL_P[row], minlength=2).tolist() == list(want)
    assert (LABEL_P[row] >= 0).all()
    assert len(row.unique()) == len(row)
    assert row.tolist() != sorted(row.tolist())


def test_of_a_class_that_hardly_occurs_none_need_be_there() -> None:
    row = chosen(torch.zeros(20, dtype=torch.long), torch.tensor([0.999, 0.001]), NAMES, GENERATOR)
    assert len(row) == 20


def test_what_cannot_be_balanced_is_refused_in_words() -> None:
    with pytest.raises(
        ValueError, match="No unlabelled image is told with so much certainty as --threshold asks for; lower it"
    ):
        chosen(torch.full((9,), -1), None, NAMES, GENERATOR)
    with pytest.raises(ValueError, match="No unlabelled image is surely told as Male, so pseudo-labels cannot be balanced"):
        chosen(torch.zeros(9, dtype=torch.long), torch.tensor([0.5, 0.5]), NAMES, GENERATOR)


def test_a_batch_is_thinned_to_the_same_shares_on_average() -> None:
    label_B = torch.tensor([0] * 6000 + [1] * 3000)
    sure_B = torch.arange(9000) % 3 > 0
    u_B = torch.rand(9000, generator=GENERATOR)
    keep_B = thinned(sure_B, label_B, torch.tensor([0.5, 0.5]), counted(label_B, sure_B, 2), u_B)
    assert not (keep_B & ~sure_B).any()
    assert torch.bincount(label_B[keep_B]).tolist() == pytest.approx([2000, 2000], rel=0.05)
    assert (thinned(sure_B, label_B, None, counted(label_B, sure_B, 2), u_B) == sure_B).all()


def test_estimated_shares_are_those_of_the_pool_and_equal_ones_are_not() -> None:
    drawn = torch.Generator().manual_seed(1)
    woman_P = torch.rand(20_000, generator=drawn) < 0.9
    score_P = torch.randn(20_000, generator=drawn) + torch.where(woman_P, 1.0, -1.0)
    p_P = torch.sigmoid(2 * score_P)
    p_PK = torch.stack([p_P, 1 - p_P], 1) ** 3  # surer than it should be
    p_PK /= p_PK.sum(1, keepdim=True)
    known_V = torch.cat([woman_P.nonzero()[:1000, 0], (~woman_P).nonzero()[:1000, 0]])
    told = p_PK, p_PK[known_V], (~woman_P).long()[known_V]
    estimated, equal = shares("estimated", *told), shares("equal", *told)
    assert estimated is not None
    assert equal is not None
    assert estimated.tolist() == pytest.approx([0.9, 0.1], abs=0.02)
    assert equal.tolist() == [0.5, 0.5]
    assert shares("none", *told) is None
