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

FEW = ["--members", "4", "--images", "40", "--epochs", "1", "--batch", "8", "--networks", "digit-cnn"]


def run(*words: str) -> None:
    main(parse(Config, words))  # type: ignore[arg-type]


def test_references_on_a_uri_are_reported_recorded_listed_verified_and_exported(
    tmp_path: Path, local_ray: None, capsys: pytest.CaptureFixture[str]
) -> None:
    out, records = f"file://{tmp_path}/zoo", f"sqlite:///{tmp_path}/records.db"
    for _ in range(2):  # the second finds all done, and records nothing twice
        run("reference", *FEW, "--bias", "skin", "--groups", "brown", "dark", "--out", out, "--tracking", records)
    assert "Gaps between groups" in (tmp_path / "zoo" / "report.html").read_text()
    assert not (tmp_path / "zoo" / "ray").exists()
    client = MlflowClient(records)
    (experiment,) = [e for e in client.search_experiments() if e.name == "biasray"]
    runs = client.search_runs([experiment.experiment_id])
    shards = [r for r in runs if "mlflow.parentRunId" in r.data.tags]
    assert (len(runs) - len(shards), sum(r.data.metrics["members"] for r in shards)) == (1, 4)
    files = {f.path for f in client.list_artifacts(shards[0].info.run_id)}
    assert {Path(name).suffix for name in files} == {".safetensors", ".parquet"}

    capsys.readouterr()
    run("list", out)
    assert capsys.readouterr().out.count("digit-cnn") == 4  # a line for each share
    run("verify", out)
    assert "4 members, every checksum right" in capsys.readouterr().out
    zoo = store.Zoo(out)
    first = zoo.weights([zoo.index["id"][0]])[0]
    run("export", out, "--member", zoo.index["id"][0], "--to", f"{tmp_path}/one.safetensors")
    assert sum(tensor.numel() for tensor in load_file(f"{tmp_path}/one.safetensors").values()) == len(first)
    run("export", out, "--to", f"{tmp_path}/zoo.parquet")
    assert pd.read_parquet(tmp_path / "zoo.parquet")["weights"][0].tolist() == first.tolist()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["digits", "--data", "data/nowhere"], "There is no data set 'data/nowhere'"),
        (["digits", "--members", "0"], "--members 0"),
        (["digits", "--data", "drawn-faces"], "A digit zoo is made of grey digits"),
        (["reference", "--data", "digits"], "digits has no attribute 'gender' for --bias"),
        (["reference", "--data", "drawn-faces", "--bias", "race"], "drawn-faces has no attribute 'race' for --bias"),
        (["reference", "--bias", "skin"], "is not two values of 'skin'"),
        (["gender", "--data", "digits"], "digits has no attribute 'age'"),
        (["gender", "--data", "drawn-faces"], "drawn-faces has no attribute 'race' for --bias"),
        (["list", "nowhere"], "nowhere holds no zoo"),
        (["verify", "nowhere"], "nowhere holds no zoo"),
        (["digits", "--shuffled", "2"], "--shuffled are shares from 0 to 1"),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, list) else "",
)
def test_a_wrong_argument_is_one_sentence(words: list[str], says: str) -> None:
    with pytest.raises(ValueError, match=f"^.*{re.escape(says)}[^\n]*$"):
        run(*words)
