"""The command line that plans a zoo."""

import re
from pathlib import Path

import pytest

from pipelines import plan, zoo
from pipelines.cli import parse

ZOO = ["digits", "--members", "32", "--images", "40", "--epochs", "1", "--batch", "8", "--tracking", "none"]


def foretell(*words: str) -> plan.Foretold:
    return plan.main(parse(plan.Config, words))


def test_a_plan_says_time_hours_storage_and_price_and_leaves_nothing(
    local_ray: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "zoo"
    told = foretell("--machines", "3", "--price", "0.5", "--calibrate", "8", *ZOO, "--out", str(out))
    said = capsys.readouterr().out
    for part in ("32 members, digits", "On 3 machines (6 workers", "time", "core-hours", "GPU-hours", "storage", "price"):
        assert part in said
    assert re.search(r"Taken for granted: a worker there makes 1 times", said)
    assert not out.exists()
    zoo.main(parse(zoo.Config, [*ZOO, "--out", str(out)]))  # type: ignore[arg-type]
    kept = sum(file.stat().st_size for file in out.rglob("*") if file.is_file() and file.name != "report.html")
    assert told.expected.bytes == pytest.approx(kept, rel=0.2)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--machines", "0", *ZOO], "--machines 0"),
        (["--gpus", "1", *ZOO], "calibrated on cpu is for such machines, and --gpus are given"),
        (["--calibrate", "0", *ZOO], "--calibrate must be at least 1"),
        (["digits", "--members", "0"], "--members 0"),
        (["digits", "--data", "data/nowhere"], "There is no data set 'data/nowhere'"),
    ],
)
def test_wrong_arguments_get_one_sentence(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises((ValueError, SystemExit)) as refused:
        foretell(*words)
    assert says in f"{refused.value}{capsys.readouterr().err}"


def test_a_plan_is_not_made_on_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    with pytest.raises(ValueError, match="unset RAY_ADDRESS"):
        foretell("digits", "--members", "4", "--device", "cpu", "--precision", "float32")
