"""Reading a zoo's levels, as a user types it."""

import re
from pathlib import Path

import pandas as pd
import pytest
import torch
from mlflow import MlflowClient
from safetensors.torch import save_file

from biasray import storage
from biasray.zoo.importing import import_zoo
from pipelines.cli import parse
from pipelines.detect import Config, main
from tests.weights.planted import SHAPE, rows


def run(*words: str) -> str:
    return main(parse(Config, words))


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> str:
    """40 networks whose level is planted, imported as those of somebody else would be."""
    folder = tmp_path_factory.mktemp("models")
    weight_MP, level_M, at = rows(40, "digit-cnn")
    for k, row_P in enumerate(weight_MP):
        save_file(at.state_dict(row_P), folder / f"{k}.safetensors")
    fields = {"level": level_M.numpy(), "half": ["first"] * 28 + ["second"] * 12, "init": range(40), "accuracy": level_M / 10}
    table = pd.DataFrame({"file": [f"{k}.safetensors" for k in range(40)], **fields})
    out = str(folder / "zoo")
    import_zoo(table, str(folder), "digit-cnn", SHAPE, 10, out)
    return out


CHEAP = ["--detectors", "statistics-forest", "pca-knn", "--split", "original"]


def test_levels_are_read_recorded_reported_and_not_read_twice(
    zoo: str, tmp_path: Path, local_ray: None, capsys: pytest.CaptureFixture[str]
) -> None:
    model, out, records = f"{Path(zoo).parent}/6.safetensors", str(tmp_path / "out"), f"sqlite:///{tmp_path}/records.db"
    words = ["--zoo", zoo, *CHEAP, "--curve", "12", "--model", model, "--out", out, "--tracking", records]
    run(*words)
    made = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out/readings").iterdir()}
    assert len(made) == 4
    said = capsys.readouterr().out
    assert "statistics-forest reads the level '2'" in said
    assert "its own accuracy" in said
    found = storage.read_json(f"{out}/results.json")
    values = {(r["method"], r["metric"], r["setting"]): r["value"] for r in found["rows"]}
    assert values["statistics-forest", "accuracy", "all layers, original split, 28 models"] > 0.9
    assert ("statistics-forest", "accuracy", "all layers, original split, 12 models") in values
    assert found["model"]["level"] == "2"
    assert not (tmp_path / "out/ray").exists()
    html = (tmp_path / "out/report.html").read_text()
    assert "How many models it takes" in html
    client = MlflowClient(records)
    (experiment,) = [e for e in client.search_experiments() if e.name == "biasray"]
    (recorded,) = client.search_runs([experiment.experiment_id])
    assert recorded.data.metrics["statistics-forest/all layers/original/28 models"] > 0.9
    run(*words)
    assert {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out/readings").iterdir()} == made


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--detectors", "magic"], "Unknown detector 'magic'"),
        (["--split", "group", "--group", "colour"], "--group colour: the zoo knows nothing of it; it knows half, init."),
        (["--curve", "4"], "--curve 4: give numbers of models from 8 to 27"),
        (["--curve", "28"], "--curve 28: give numbers of models from 8 to 27"),
        (["--seeds", "0"], "--seeds must be at least 1"),
        (["--model", "nowhere.safetensors"], "nowhere.safetensors"),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, list) else "",
)
def test_a_wrong_argument_is_one_sentence(words: list[str], says: str, zoo: str) -> None:
    with pytest.raises(ValueError, match=f"^.*{re.escape(says)}[^\n]*$"):
        run("--zoo", zoo, *CHEAP, "--tracking", "none", *words)


def spoilt(name: str, folder: Path) -> Path:
    """A file that holds no model of the zoo's."""
    weight_MP, _, at = rows(1, "digit-cnn")
    state, file = at.state_dict(weight_MP[0]), folder / name
    match name:
        case "another.safetensors":
            _, _, other = rows(1, "mlp")
            save_file(other.state_dict(torch.zeros(other.size)), file)
        case "renamed.safetensors":
            save_file({f"x.{key}": tensor for key, tensor in state.items() if key != "head.bias"}, file)
        case "nan.safetensors":
            save_file(at.state_dict(torch.full((at.size,), torch.nan)), file)
        case "pickle.safetensors":
            torch.save(state, file)
        case "pickle.pt":
            torch.save({"evil": Path("x")}, file)
    return file


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("another.safetensors", "is another network"),
        ("renamed.safetensors", "is another network"),
        ("nan.safetensors", "no finite numbers"),
        ("pickle.safetensors", "holds no plain weights"),
        ("pickle.pt", "holds no plain weights"),
    ],
)
def test_a_model_that_cannot_be_read_is_told_before_anything_is_fitted(name: str, says: str, zoo: str, tmp_path: Path) -> None:
    file = spoilt(name, tmp_path)
    with pytest.raises(ValueError, match=f"^[^\n]*{says}[^\n]*$"):
        run("--zoo", zoo, *CHEAP, "--model", str(file), "--out", str(tmp_path / "out"), "--tracking", "none")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_no_zoo_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no zoo"):
        run("--zoo", str(tmp_path / "nothing"), "--tracking", "none")
