from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pytest

from biasray.space import Range, draw, ranges, settings


@dataclass(frozen=True)
class Config:
    eta: Annotated[float, Range(1e-3, 1e-1, log=True)] = 1e-2
    copies: Annotated[int, "said about it", Range(1, 100)] = 20
    share: Annotated[float | None, Range(0, 1)] = None
    name: str = "x"
    noted: Annotated[int, "no range"] = 3


@dataclass(frozen=True)
class Nothing:
    pass


def test_only_fields_with_a_range_are_searched() -> None:
    assert ranges(Config) == {"eta": Range(1e-3, 1e-1, log=True), "copies": Range(1, 100), "share": Range(0, 1)}
    assert ranges(Nothing) == {}


def test_defaults_lie_in_their_ranges() -> None:
    assert Config.eta in ranges(Config)["eta"]
    assert Config.copies in ranges(Config)["copies"]


@pytest.mark.parametrize(("value", "inside"), [(1, True), (100, True), (0.999, False), (100.001, False), (float("nan"), False)])
def test_a_range_includes_both_its_ends(value: float, inside: bool) -> None:
    assert (value in Range(1, 100)) == inside


def test_settings_fill_the_fields_given_and_leave_the_defaults() -> None:
    assert settings(Config, {"eta": 0.05}, "group-dro") == Config(eta=0.05)
    assert settings(Config, {}, "group-dro") == Config()


def test_an_unknown_setting_names_the_owner_and_what_there_is() -> None:
    with pytest.raises(ValueError, match="group-dro has no setting 'etta'; it has: eta, copies, share, name, noted"):
        settings(Config, {"etta": 0.05}, "group-dro")
    with pytest.raises(ValueError, match="erm has no setting 'eta'; it has: none"):
        settings(Nothing, {"eta": 0.05}, "erm")


def test_draws_fill_the_range_to_both_ends_whole_numbers_as_such() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw(Config, rng) for _ in range(4000)]
    copies, eta = [d["copies"] for d in drawn], [d["eta"] for d in drawn]
    assert {type(c) for c in copies} == {int}
    assert (min(copies), max(copies)) == (1, 100)
    assert min(eta) >= 1e-3
    assert max(eta) <= 1e-1
    assert np.median(eta) == pytest.approx(1e-2, rel=0.15)  # even in the logarithm
    assert drawn[0].keys() == {"eta", "copies", "share"}
