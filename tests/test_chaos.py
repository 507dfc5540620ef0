"""A few of the kills of `tests.chaos`, of each command; the table in README has fifty."""

from pathlib import Path

import pytest

from tests.chaos import KINDS, TRIALS, chaos


@pytest.mark.slow
def test_what_is_killed_at_random_ends_as_what_is_not(tmp_path: Path) -> None:
    table = chaos(tmp_path, kills=6, seed=0)
    assert [row["what"] for row in table] == [trial.name for trial in TRIALS]
    assert {kind: sum(row[kind] for row in table) for kind in KINDS} == dict.fromkeys(KINDS, 2)
