import numpy as np
import pandas as pd
import pytest

from biasray.attribution.confounded import HIDDEN, SHOWN, Sets, sets
from tests.attribution.corners import corners

DATA = corners(4000)
TRAIN = DATA.examples["split"] == "train"


def seen(share: dict[str, float]) -> pd.Series:
    """Shows with this chance by kind, and of one in ten it is not known."""
    drawn = np.random.default_rng(2)
    shows_N = drawn.random(4000) < DATA.examples["kind"].map(share)
    return pd.Series(np.where(drawn.random(4000) < 0.1, "", np.where(shows_N, SHOWN, HIDDEN)), name="hat")


def counts(made: Sets, which: str) -> dict[tuple[str, str], int]:
    examples = getattr(made, which).examples
    return dict(examples[examples["split"] == "train"].groupby(["kind", "hat seen"]).size().items())


def test_one_target_alone_shows_it_in_two_of_three_and_sizes_are_alike() -> None:
    made = sets(DATA, "kind", seen({"a": 0.5, "b": 0.5}), "a", "b", 300)
    assert counts(made, "biased") == {("a", SHOWN): 200, ("a", HIDDEN): 100, ("b", HIDDEN): 300}
    assert counts(made, "balanced") == {(t, s): 150 for t in "ab" for s in (SHOWN, HIDDEN)}
    assert made.numbers["biased"]["b", SHOWN] == 0


def test_where_balance_cannot_be_had_it_comes_as_near_as_it_can_and_says_so() -> None:
    made = sets(DATA, "kind", seen({"a": 0.5, "b": 0.02}), "a", "b", 300)
    found, there = counts(made, "balanced"), seen({"a": 0.5, "b": 0.02})
    few = int(((there == SHOWN) & TRAIN & (DATA.examples["kind"] == "b")).sum())
    assert 0 < few < 150
    assert (
        found
        == made.numbers["balanced"]
        == {("a", SHOWN): 150, ("a", HIDDEN): 150, ("b", SHOWN): few, ("b", HIDDEN): 300 - few}
    )


def test_validation_and_test_keep_all_that_is_known() -> None:
    there = seen({"a": 0.5, "b": 0.5})
    made = sets(DATA, "kind", there, "a", "b", 300)
    for part in made[:2]:
        for split in ("validation", "test"):
            assert (part.examples["split"] == split).sum() == ((DATA.examples["split"] == split) & (there != "")).sum()


def test_too_few_examples_are_refused_with_what_there_is() -> None:
    with pytest.raises(ValueError, match=r"Too few training examples .* alone shows hat: .* a shows"):
        sets(DATA, "kind", seen({"a": 0.01, "b": 0.5}), "a", "b", 300)
