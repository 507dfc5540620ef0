"""Reading a zoo's levels, as a user types it."""

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
from mlflow import MlflowClient
from safetensors.torch import save_file

from biasray import storage
from biasray.engine.detect import file
from biasray.weights.study import Reading, folds
from biasray.zoo.importing import import_zoo
from biasray.zoo.store import Zoo
from pipelines import detect
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
    assert "It is one of the zoo's own members" in said
    assert "It is the best of 2 by that last figure" in said
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
        (["--group", "colour"], "--group colour: the zoo knows nothing of it"),
        (["--curve", "4"], "--curve 4: give numbers of models from 8 to 24, since original has 28 to learn from."),
        (["--curve", "25"], "--curve 25: give numbers of models from 8 to 24"),
        (["--seeds", "0"], "--seeds must be at least 1"),
        (["--model", "nowhere.safetensors"], "nowhere.safetensors"),
        (
            ["--model", "MODEL", "--split", "adapted"],
            "--model is read by a detector that was not adapted: give a --split",
        ),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, list) else "",
)
def test_a_wrong_argument_is_one_sentence(words: list[str], says: str, zoo: str) -> None:
    given = [w.replace("MODEL", f"{Path(zoo).parent}/6.safetensors") for w in words]
    with pytest.raises(ValueError, match=f"^.*{re.escape(says)}[^\n]*$"):
        run("--zoo", zoo, *CHEAP, "--tracking", "none", *given)


def test_the_most_and_the_fewest_models_that_a_curve_may_ask_for_can_be_had(zoo: str, tmp_path: Path, local_ray: None) -> None:
    out = str(tmp_path / "out")
    run("--zoo", zoo, *CHEAP, "--curve", "8", "24", "--out", out, "--tracking", "none")
    settings = {r["setting"].split(", ")[-1] for r in storage.read_json(f"{out}/results.json")["rows"]}
    assert settings >= {"8 models", "24 models", "28 models"}


def test_models_are_read_by_their_convolutions_in_any_order_and_after_another_family(
    zoo: str, tmp_path: Path, local_ray: None
) -> None:
    """By a second zoo, of another network, with its own accuracy as the oracle."""
    small = (3, 8, 8)
    weight_MP, level_M, at = rows(40, "mlp", shape=small)
    (tmp_path / "others").mkdir()
    for k, row_P in enumerate(weight_MP):
        save_file(at.state_dict(row_P), tmp_path / f"others/{k}.safetensors")
    table = pd.DataFrame({"file": [f"{k}.safetensors" for k in range(40)], "level": level_M.numpy(), "accuracy": level_M / 10})
    import_zoo(table, str(tmp_path / "others"), "mlp", small, 10, str(tmp_path / "wide"))
    out, none = str(tmp_path / "out"), ["--tracking", "none"]
    after = ["--adapt", str(tmp_path / "wide"), *none]
    run("--zoo", zoo, "--detectors", "statistics-forest", "--split", "adapted", "random", *after, "--out", out)
    values = {(r["method"], r["metric"], r["setting"]): r for r in storage.read_json(f"{out}/results.json")["rows"]}
    assert values["statistics-forest", "accuracy", "all layers, adapted split, 32 models"]["n"] == 8
    assert values["its own accuracy", "accuracy", "no weights, adapted split, 32 models"]["value"] == 1
    assert values["statistics-forest", "accuracy", "all layers, random split, 32 models"]["n"] == 40
    assert "Learnt from 80 % of the models of another family" in (tmp_path / "out/report.html").read_text()
    run("--zoo", zoo, "--detectors", "dense", "--split", "adapted", *after, "--out", str(tmp_path / "dense"))
    found = storage.read_json(f"{tmp_path}/dense/results.json")["rows"]
    assert "all layers, fine-tuned, adapted split, 32 models" in {r["setting"] for r in found if r["method"] == "dense"}
    words = ["--detectors", "statistics-forest", "--split", "group", "--group", "init"]
    words += ["--layers", "conv", "--front", "canonical"]
    run("--zoo", zoo, *words, "--out", str(tmp_path / "conv"), *none)
    found = storage.read_json(f"{tmp_path}/conv/results.json")["rows"]
    assert {r["setting"] for r in found} >= {"convolutions alone, canonical, group split, 32 models"}
    with pytest.raises(ValueError, match="no convolution whose weights could be read alone; leave out --layers conv"):
        run("--zoo", zoo, "--split", "adapted", "--layers", "conv", *after)


def test_of_a_detector_that_lacks_a_fit_nothing_is_shown_and_the_others_stay(
    zoo: str, tmp_path: Path, local_ray: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = str(tmp_path / "out")
    words = ["--detectors", "statistics-forest", "pca-knn", "--split", "random", "--seeds", "2"]
    words = ["--zoo", zoo, *words, "--model", f"{Path(zoo).parent}/6.safetensors", "--out", out, "--tracking", "none"]
    run(*words)
    whole = storage.read_json(f"{out}/results.json")["rows"]
    lost = Reading("pca-knn", "all", "none", "random", 3, 1)
    Path(file(out, lost, folds(Zoo(zoo).index, "random", 0)[3])).unlink()
    monkeypatch.setattr(detect, "read_all", lambda readings, *rest: {readings.index(lost): "Its worker was lost."})
    capsys.readouterr()
    with pytest.raises(ValueError, match=r"^pca-knn, random split: Its worker was lost\.\nOf a detector with a failed fit"):
        run(*words)
    assert "statistics-forest reads the level '2'" in capsys.readouterr().out
    left = storage.read_json(f"{out}/results.json")["rows"]
    assert left == [r for r in whole if r["method"] != "pca-knn"]
    assert any(r["method"] == "pca-knn" for r in whole)


def test_a_fit_that_no_machine_has_the_memory_for_is_told_and_the_others_are_made(
    zoo: str, tmp_path: Path, local_ray: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("biasray.engine.detect.memory", lambda reading, zoos: 2 ** (50 if "knn" in reading.detector else 30))
    out = str(tmp_path / "out")
    with pytest.raises(
        ValueError, match=r"^pca-knn, original split: A fit takes 1048576 GiB of memory, which this machine has"
    ):
        run("--zoo", zoo, *CHEAP, "--out", out, "--tracking", "none")
    assert {r["method"] for r in storage.read_json(f"{out}/results.json")["rows"]} == {"statistics-forest", "its own accuracy"}


def test_a_zoo_of_which_nothing_is_left_and_a_damaged_one_are_one_sentence_each(zoo: str, tmp_path: Path) -> None:
    _, _, at = rows(1, "digit-cnn")
    save_file(at.state_dict(torch.full((at.size,), torch.nan)), tmp_path / "nan.safetensors")
    table = pd.DataFrame({"file": ["nan.safetensors"], "level": [0]})
    import_zoo(table, str(tmp_path), "digit-cnn", SHAPE, 10, str(tmp_path / "none"))
    with pytest.raises(ValueError, match=r"No member of .* ended with finite weights, so there is nothing to read"):
        run("--zoo", str(tmp_path / "none"), "--tracking", "none")
    shutil.copytree(zoo, tmp_path / "damaged")
    (shard,) = (tmp_path / "damaged/shards").glob("*.safetensors")
    shard.write_bytes(shard.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"^.* is damaged \(.*\); `pipelines.zoo verify .*` finds all that are[^\n]*$"):
        run("--zoo", str(tmp_path / "damaged"), "--tracking", "none")


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
