from pathlib import Path

import pytest

from biasray.engine.work import Shared, last_line


def test_a_machine_that_does_not_see_the_out_folder_is_told_of_before_it_reads_any_data(tmp_path: Path) -> None:
    shared = Shared(f"{tmp_path}/ray", None, None)
    with pytest.raises(ValueError, match=r"^The machine .* does not see .*: give --out a place that every machine reaches"):
        shared.open()


@pytest.mark.parametrize(
    ("error", "says"),
    [(RuntimeError("long\nTypeError: the cause\n"), "TypeError: the cause"), (AssertionError(), "AssertionError()")],
)
def test_of_an_error_its_last_line_is_told_and_of_one_without_words_its_name(error: Exception, says: str) -> None:
    assert last_line(error) == says
