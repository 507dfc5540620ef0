"""The zoo's command lines, as a user types them."""

import re
from pathlib import Path

import pandas as pd
import pytest
from safetensors.torch import load_file

from biasray.zoo import store
from pipelines.cli import parse
from pipelines.zoo import Config, main

SMALL = ["--members", "8", "--second-half", "0", "--images", "100", "--epochs", "1", "--batch", "32", "--tracking", "none"]


def run(*words: str) -> None:
    main(parse(Config, words))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, local_ray: None) -> str:
    out = str(tmp_path_factory.mktemp("zoo") / "digits")
    run("digits", *SMALL, "--out", out)
    return out


def test_it_is_listed_verified_and_exported(made: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("list", made)
    assert capsys.readouterr().out.count("high") == 2  # of four levels
    run("verify", made)
    assert "8 members, every checksum right" in capsys.readouterr().out
    first = store.Zoo(made).index["id"][0]
    run("export", made, "--member", first, "--to", f"{tmp_path}/one.safetensors")
    assert sum(tensor.numel() for tensor in load_file(f"{tmp_path}/one.safetensors").values()) == 49_562
    run("export", made, "--to", f"{tmp_path}/zoo.parquet")
    table = pd.read_parquet(tmp_path / "zoo.parquet")
    assert [len(row) for row in table["weights"]] == [49_562] * 8


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["digits", "--data", "data/nowhere"], "There is no data set 'data/nowhere'"),
        (["digits", "--members", "0"], "--members 0"),
        (["digits", "--data", "drawn-faces"], "A digit zoo is made of grey digits"),
        (["reference", "--data", "digits"], "digits has no attribute 'gender' for --bias"),
        (["reference", "--data", "drawn-faces", "--bias", "race"], "drawn-faces has no attribute 'race' for --bias"),
        (["reference", "--bias", "skin"], "is not two values of 'skin'"),
        (["list", "nowhere"], "nowhere holds no zoo"),
        (["verify", "nowhere"], "nowhere holds no zoo"),
        (["digits", "--shuffled", "2"], "--shuffled are shares from 0 to 1"),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, list) else "",
)
def test_a_wrong_argument_is_one_sentence(words: list[str], says: str) -> None:
    with pytest.raises(ValueError, match=f"^.*{re.escape(says)}[^\n]*$"):
        run(*words)
