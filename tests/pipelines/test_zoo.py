"""The zoo's command lines, as a user types them."""

import re
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient
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


def test_references_on_a_uri_end_with_a_report_and_records(tmp_path: Path, local_ray: None) -> None:
    few = ["--members", "4", "--images", "40", "--epochs", "1", "--batch", "8", "--networks", "digit-cnn"]
    out, records = f"file://{tmp_path}/zoo", f"sqlite:///{tmp_path}/records.db"
    for _ in range(2):  # the second finds all done, and records nothing twice
        run("reference", *few, "--bias", "skin", "--groups", "brown", "dark", "--out", out, "--tracking", records)
    assert "Gaps between groups" in (tmp_path / "zoo" / "report.html").read_text()
    assert not (tmp_path / "zoo" / "ray").exists()
    client = MlflowClient(records)
    (experiment,) = [e for e in client.search_experiments() if e.name == "biasray"]
    runs = client.search_runs([experiment.experiment_id])
    shards = [r for r in runs if "mlflow.parentRunId" in r.data.tags]
    assert (len(runs) - len(shards), sum(r.data.metrics["members"] for r in shards)) == (1, 4)
    files = {f.path for f in client.list_artifacts(shards[0].info.run_id)}
    assert {Path(name).suffix for name in files} == {".safetensors", ".parquet"}


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
