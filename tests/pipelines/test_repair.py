"""Repairing a zoo's models, as a user types it."""

import re
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient
from safetensors.torch import save_file

from biasray import storage
from biasray.weights.repair import WAYS
from biasray.zoo.importing import import_zoo
from pipelines import zoo as making
from pipelines.cli import parse
from pipelines.repair import Config, main, possible
from tests.weights.planted import SHAPE, rows

FEW = ["reset-units", "dropout", "fgsm-published", "fine-tune"]  # ways that cost little


def run(*words: str) -> str:
    return main(parse(Config, words))


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory, local_ray: None) -> str:
    out = str(tmp_path_factory.mktemp("repair") / "zoo")
    words = ["--members", "24", "--second-half", "4", "--images", "60", "--epochs", "1", "--init", "shared"]
    making.main(parse(making.Config, ["digits", *words, "--tracking", "none", "--out", out]))  # type: ignore[arg-type]
    return out


def test_every_way_is_tried_reported_recorded_and_not_tried_twice(
    zoo: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, records = str(tmp_path / "out"), f"sqlite:///{tmp_path}/records.db"
    words = ["--zoo", zoo, "--members", "4", "--methods", *FEW, "--out", out, "--tracking", records]
    run(*words)
    made = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out/ways").iterdir()}
    assert len(made) == len(FEW) + 1
    said = capsys.readouterr().out
    assert "4 members, conv1x1 that learns from 20 others" in said
    assert all(way in said for way in FEW)
    found = storage.read_json(f"{out}/results.json")
    by = {(r["method"], r["metric"], r["interval"]): r for r in found["rows"]}
    assert {way for way, *_ in by} == set(FEW)
    assert by["fgsm-published", "accuracy, beyond control", "members"]["n"] == 4
    assert {layer["name"] for layer in found["where"]["layers"]} >= {"body.0.weight", "head.weight"}
    html = (tmp_path / "out/report.html").read_text()
    assert "Where the bias sits" in html
    assert not (tmp_path / "out/ray").exists()
    client = MlflowClient(records)
    (experiment,) = [e for e in client.search_experiments() if e.name == "biasray"]
    (recorded,) = client.search_runs([experiment.experiment_id])
    assert "fgsm-published/accuracy change" in recorded.data.metrics
    (tmp_path / "out/ways/fgsm-published.json").unlink()
    run(*words)
    again = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out/ways").iterdir()}
    assert [name for name in made if again[name] != made[name]] == ["fgsm-published.json"]
    retold = storage.read_json(f"{out}/results.json")["rows"]
    assert [{**r, "seconds": 0} for r in retold] == [{**r, "seconds": 0} for r in found["rows"]]
    with pytest.raises(ValueError, match=r"^.* holds another run \(of other parts\); give another --out\.$"):
        run(*words, "--methods", "fgsm")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--methods", "magic"], "Unknown way of repair 'magic'"),
        (["--detector", "magic"], "Unknown detector 'magic'"),
        (["--detector", "pca-knn"], "--detector pca-knn has no gradient by the weights; choose from conv1x1"),
        (["--members", "40"], "--members 40: give 4 to 4, as many of each of 4 levels."),
        (["--members", "0"], "--members 0: give 4 to 4"),
        (["--data", "data/nowhere"], "There is no data set 'data/nowhere'"),
        (["--data", "drawn-faces"], "drawn-faces does not hold the digits that"),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, list) else "",
)
def test_a_wrong_argument_is_one_sentence(words: list[str], says: str, zoo: str) -> None:
    with pytest.raises(ValueError, match=f"^.*{re.escape(says)}[^\n]*$"):
        run("--zoo", zoo, "--tracking", "none", *words)


def test_models_of_others_are_refused(tmp_path: Path) -> None:
    weight_MP, level_M, at = rows(8, "digit-cnn")
    for k, row_P in enumerate(weight_MP):
        save_file(at.state_dict(row_P), tmp_path / f"{k}.safetensors")
    table = pd.DataFrame({"file": [f"{k}.safetensors" for k in range(8)], "level": level_M.numpy()})
    import_zoo(table, str(tmp_path), "digit-cnn", SHAPE, 10, str(tmp_path / "zoo"))
    with pytest.raises(ValueError, match=r"^.* holds no digit models that this project trained; only those can be repaired"):
        run("--zoo", str(tmp_path / "zoo"), "--tracking", "none")


def test_dropout_is_left_out_of_all_and_refused_by_name_where_networks_have_none(
    tmp_path: Path, local_ray: None, capsys: pytest.CaptureFixture[str]
) -> None:
    out = f"{tmp_path}/zoo"
    words = ["--members", "24", "--second-half", "4", "--images", "40", "--epochs", "1", "--networks", "mlp", "--out", out]
    making.main(parse(making.Config, ["digits", *words, "--tracking", "none"]))  # type: ignore[arg-type]
    assert possible(("all",), out) == tuple(way for way in WAYS if way != "dropout")
    assert "mlp has no dropout that could go on when it predicts, so that way is left out." in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"^--methods dropout: mlp has no dropout .* leave it out\.$"):
        possible(("dropout", "fgsm"), out)
