import json
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from biasray import data
from biasray.bias.task import Question
from biasray.experiment import Compute, Training
from pipelines import attribute, debias, detect, import_data, quickstart, scan, tracking, tune
from pipelines.benchmarks import attribution, drawing, engine, fused, importing, loop, reading, zoo
from pipelines.benchmarks import tune as tune_benchmark
from pipelines.cli import run

ROOT = Path(__file__).parents[2]
WITH_VARIANT = ("erm", "lff", "lff:q=0.5")


def config(out: Path, **fields: object) -> debias.Config:
    given = {
        "task": Question(data="digits"),
        "agreement": (0.9,),
        "training": Training(epochs=1, batch=64),
        "compute": Compute(threads=1),
        "methods": ("erm", "lff"),
        "seeds": 2,
        "out": str(out),
        "tracking": "none",
        **fields,
    }
    return debias.Config(**given)  # type: ignore[arg-type]


class Resources(HTMLParser):
    """What a page would have to load from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        links = [v or "" for k, v in attrs if k in ("src", "href", "xlink:href")]
        self.found += [link for link in links if not link.startswith(("#", "data:"))]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, local_ray: None) -> Path:
    out = tmp_path_factory.mktemp("comparison")
    debias.main(config(out, methods=WITH_VARIANT))
    return out


def test_a_comparison_leaves_results_report_and_a_folder_per_cell(finished: Path) -> None:
    results = json.loads((finished / "results.json").read_text())
    assert {r["method"] for r in results["rows"]} == {"erm", "lff", "lff q 0.5"}
    assert {r["setting"] for r in results["rows"] if r["method"] == "lff q 0.5"} == {"q=0.5, alpha=0.7"}
    assert ("lff q 0.5", "group_average minus erm") in {(r["method"], r["metric"]) for r in results["rows"]}
    found = {(r["method"], r["group"]) for r in results["rows"] if r["metric"] == "bias_accuracy"}
    assert found == {("erm", "network"), ("lff", "biased"), ("lff q 0.5", "biased")}
    assert {"command", "versions", "hardware", "date"} == set(results["about"])
    assert sorted(p.name for p in (finished / "cells").iterdir()) == [
        *("erm-0", "erm-1", "lff-0", "lff-1", "lff-q-0.5-0", "lff-q-0.5-1")
    ]


def test_the_report_is_self_contained_and_shows_every_method(finished: Path) -> None:
    text = (finished / "report.html").read_text()
    page = Resources()
    page.feed(text)
    assert page.found == []
    assert "url(http" not in text
    for method in ("erm", "lff"):
        assert f"<td>{method}" in text
    assert text.count("<svg") == 7
    assert "<td>lff: biased</td>" in text


@pytest.mark.usefixtures("local_ray")
def test_several_levels_of_bias_have_a_report_each_and_one_together(tmp_path: Path) -> None:
    two = config(tmp_path, agreement=(), conflict_ratio=(0.25, 1.0), seeds=1, methods=("erm",))
    debias.main(two)
    rows = json.loads((tmp_path / "results.json").read_text())["rows"]
    assert {r["agreement"] for r in rows} == {0.8, 0.5}
    for level in (0.8, 0.5):
        folder = tmp_path / f"agreement-{level}"
        assert (folder / "cells/erm-0/done.json").exists()
        own = json.loads((folder / "results.json").read_text())["rows"]
        assert own == [r for r in rows if r["agreement"] == level]
        assert f'href="{folder.name}/report.html"' in (tmp_path / "report.html").read_text()


def test_running_again_trains_nothing_and_ends_with_the_same_rows(finished: Path) -> None:
    before = json.loads((finished / "results.json").read_text())["rows"]
    written = {p: p.stat().st_mtime_ns for p in finished.glob("cells/*/*")}
    debias.main(config(finished, methods=WITH_VARIANT))
    assert json.loads((finished / "results.json").read_text())["rows"] == before
    assert {p: p.stat().st_mtime_ns for p in finished.glob("cells/*/*")} == written


def test_a_folder_of_another_comparison_is_refused_and_kept(finished: Path) -> None:
    before = (finished / "results.json").read_bytes()
    with pytest.raises(ValueError, match=r"holds another run \(agreement 0.9 there, 0.8 here"):
        debias.main(config(finished, agreement=(0.8,), methods=WITH_VARIANT))
    with pytest.raises(ValueError, match="of other parts"):
        debias.main(config(finished, seeds=1))
    assert (finished / "results.json").read_bytes() == before


def test_settings_come_as_json_text_or_as_a_file(tmp_path: Path) -> None:
    file = tmp_path / "best.json"
    file.write_text('{"lff": {"q": 0.5}}')
    assert debias.read_settings(str(file)) == debias.read_settings('{"lff": {"q": 0.5}}') == {"lff": {"q": 0.5}}


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"settings": '{"lff": {"p": 1}}'}, "lff has no setting 'p'; it has: q, alpha"),
        ({"settings": '{"lff": {"q": "high"}}'}, "'q' of lff cannot be 'high'; it is a number"),
        ({"settings": '{"lff": {"q": -1}}'}, "'q' of lff cannot be -1"),
        ({"methods": ("jtt",), "settings": '{"jtt": {"identify": 1.5}}'}, "a whole number or null"),
        ({"methods": ("jtt",), "settings": '{"jtt": {"identify": 0}}'}, "at least 1 epoch"),
        ({"compute": Compute(threads=0)}, "--threads must be at least 1"),
        ({"task": Question(data="digits", colour_std=-1.0)}, "--colour-std must be 0 or more"),
        ({"task": Question(data="digits", examples=0)}, "0 training examples cannot be had"),
        ({"settings": "tests"}, "cannot be read"),
        ({"task": Question(data="digits", unlearn=("colour",))}, "--unlearn colour: .* unlearns nothing; take jlu"),
        ({"settings": '{"jtt": {}}'}, "not among --methods"),
        ({"settings": "nowhere.json"}, "no settings file nowhere.json"),
        ({"settings": "{"}, "is not JSON"),
        ({"settings": '{"lff": 3}'}, "is not method -> fields"),
        ({"seeds": 0}, "--seeds must be at least 1"),
        ({"methods": ("lfg",)}, "Unknown method 'lfg'"),
        ({"methods": ()}, "--methods names none"),
        ({"task": Question(data="nowhere")}, "no data set 'nowhere'"),
        ({"task": Question(data=".")}, "holds no manifest.json"),
        ({"agreement": ()}, "need an --agreement"),
        ({"agreement": (0.9, 1.5)}, "share from 0 to 1"),
        ({"conflict_ratio": (0.1,)}, "--agreement or --conflict-ratio, not both"),
        ({"agreement": (), "conflict_ratio": (-0.1,)}, "A conflict ratio is 0 or more, not -0.1"),
        ({"training": Training(network="resnet19")}, "Unknown network"),
        (
            {"task": Question(data="drawn-faces", target="gender", bias="skin"), "agreement": (), "methods": ("erm", "oracle")},
            "oracle needs a bias value that goes with each target",
        ),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(fields: dict[str, object], says: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=says) as raised:
        debias.main(config(tmp_path / "out", **fields))
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("main", "given", "says"),
    [
        (debias.main, config(Path("runs/mine")), "--out runs/mine: a submitted job runs in a temporary copy of its folder"),
        (debias.main, debias.Config(), "--storage runs: a submitted job .* so give --storage an absolute path"),
        (debias.main, config(Path("/tmp/x"), task=Question(data="data/x")), "--data data/x: a submitted job"),
        (
            partial(tracking.start, name="x", fingerprint="x", parameters={}),
            "sqlite:///m.db",
            "--tracking sqlite:///m.db: a sub",
        ),
        (detect.main, detect.Config(zoo="/tmp/z", adapt="runs/wide", out="/tmp/x"), "--adapt runs/wide: a submitted job"),
        (quickstart.main, quickstart.Config(), "--storage runs: a submitted job"),
        (import_data.main, import_data.Config(name="mnist", source="mnist", out="/tmp/x"), "--source mnist: a submitted job"),
        (import_data.main, import_data.Config(name="mnist", source="/mnist", out="x"), "--out x: a submitted job"),
    ],
)
def test_in_a_submitted_job_a_place_that_would_be_lost_is_refused(
    main: Callable[[Any], Any], given: Any, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    with pytest.raises(ValueError, match=says):
        main(given)


def test_a_file_is_not_taken_for_a_folder(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(ValueError, match=r"thesis.tex cannot be listed: .* give a folder"):
        debias.main(config(tmp_path / "thesis.tex"))
    assert (tmp_path / "thesis.tex").read_text() == "mine"


def test_a_stranger_folder_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(ValueError, match="is not empty and holds no such results"):
        debias.main(config(tmp_path))
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_the_command_line_ends_bad_input_with_one_sentence_and_status_2() -> None:
    ended = command("pipelines.debias", "--data", "nowhere", "--agreement", "0.9")
    assert ended.returncode == 2
    assert re.fullmatch(r"\s*There is no data set 'nowhere': [^\n]+\.\n", ended.stderr)


@pytest.mark.parametrize("word", ["--out=s3://AKIA:not-to-be-told@bucket/runs", "--tracking=http://me:not-to-be-told@mlflow:1"])
def test_a_key_on_the_command_line_is_refused_and_not_told(
    word: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["x", "--agreement", "0.9", word])
    with pytest.raises(SystemExit) as ended:
        run(debias.Config, lambda config: pytest.fail("it ran"))
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "holds a key" in said
    assert "not-to-be-told" not in said


@pytest.mark.parametrize(
    "module",
    [
        attribute,
        attribution,
        debias,
        import_data,
        quickstart,
        scan,
        tune,
        loop,
        importing,
        drawing,
        engine,
        reading,
        zoo,
        fused,
        tune_benchmark,
    ],
)
def test_help_explains_every_option(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["x", "--help"])
    with pytest.raises(SystemExit) as ended:
        run(module.Config, module.main)
    assert ended.value.code == 0
    options = re.findall(r"^\W+(--[a-z][a-z-]+ .*?)(?=^\W+--|\Z)", capsys.readouterr().out, re.M | re.S)
    assert options
    for option in options:
        assert len(re.findall(r"[A-Za-z]{2,}", option)) > 4, f"not explained: {option}"


def test_a_comparison_in_which_all_fails_says_why_and_shows_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"(?s)erm, seed 0: The loss of network is not finite.*nothing is shown"):
        debias.main(config(tmp_path, methods=("erm",), seeds=1, training=Training(epochs=1, batch=64, lr=1e30)))
    assert not (tmp_path / "report.html").exists()


@pytest.mark.usefixtures("local_ray")
def test_the_quickstart_imports_debiases_and_ends_with_a_report(tmp_path: Path) -> None:
    quickstart.main(quickstart.Config(out=str(tmp_path), seeds=1, compute=Compute(threads=1), tracking="none"))
    assert (tmp_path / "digits/report.html").exists()
    assert len(data.load(str(tmp_path / "drawn-faces")).examples) == quickstart.FACES
