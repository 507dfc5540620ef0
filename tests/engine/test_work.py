from pathlib import Path

import pytest

from biasray.engine.work import Work, last_line
from tests.engine.cells import make


def test_a_machine_that_does_not_see_the_out_folder_is_told_of_before_it_reads_any_data(tmp_path: Path) -> None:
    work = Work(0, make("erm"), f"{tmp_path}/cells/erm-0", f"{tmp_path}/ray", None, None, None, 30.0)
    with pytest.raises(
        ValueError, match=r"^The machine .* does not see .*/cells: give --out a place that every machine reaches"
    ):
        work.open()


@pytest.mark.parametrize(
    ("error", "says"),
    [(RuntimeError("long\nTypeError: the cause\n"), "TypeError: the cause"), (AssertionError(), "AssertionError()")],
)
def test_of_an_error_its_last_line_is_told_and_of_one_without_words_its_name(error: Exception, says: str) -> None:
    assert last_line(error) == says
