"""Maps of attributes, and training on what hides one, as a user types it."""

import re
from pathlib import Path

import numpy as np
import pytest

from biasray import storage
from pipelines import attribute, robust
from pipelines.attribute import Config
from pipelines.cli import parse

SMALL = ["--data", "drawn-faces", "--across", "5", "--region-epochs", "1", "--images", "40"]
QUIET = ["--tracking", "none", "--threads", "1"]
ROBUST = ["--confounder", "glasses", "--train-robust", "--most", "60", "--quantiles", "0.8"]
SHORT = ["--scale", "smoke", "--epochs", "1"]


def run(*given: str) -> str:
    return attribute.main(parse(Config, given))


def test_attributes_are_mapped_and_what_is_hidden_is_trained_on(
    local_ray: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--attributes", "age", "--edges", "5", "40", "91", "--by", "general", "--out", str(tmp_path / "out")]
    given = [*SMALL, "--threads", "1", "--tracking", f"sqlite:///{tmp_path}/mlflow.db", *ROBUST, *SHORT, *more]
    out = Path(run(*given))
    assert "region classifiers" in capsys.readouterr().out
    results = storage.read_json(str(out / "results.json"))["rows"]
    found = {(r["method"], r["setting"], r["metric"]) for r in results}
    for setting in ("age", "glasses"):
        assert ("regions", setting, "expected calibration error") in found
        arrays = np.load(out / "regions" / setting / "maps.npz")
        assert arrays["region_NAA"].shape == (40, 5, 5)
        assert arrays["pixel_NHW"].shape == (40, 64, 64)
        assert (out / "regions" / setting / "mean.png").read_bytes().startswith(b"\x89PNG")
    assert ("regions", "glasses", "AUROC of the general map") in found  # it is known where glasses were drawn
    assert ("regions", "age", "AUROC of the general map") not in found
    for setting in ("original", "balanced", "general mask 0.8", "general noise 0.8"):
        (gap,) = [r for r in results if (r["setting"], r["metric"], r["interval"]) == (setting, "gap", "seeds")]
        assert gap["seeds"] == 2
    html = (out / "report.html").read_text()
    for said in ("Where images show", "gap closed", "40 Female with", "general noise", "May it be as sure as it is"):
        assert said in html
    assert not re.search(r"\bnan\b|\bNone\b", re.sub(r"<svg.*?</svg>", "", html, flags=re.S))
    marks = [*out.glob("cells/*/*/done.json"), *out.glob("regions/*/done.json")]
    before = {file: file.stat().st_mtime_ns for file in marks}
    assert len(before) == 4 * 2 + 2
    run(*given)
    assert {file: file.stat().st_mtime_ns for file in marks} == before


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "Give --attributes"),
        (["--attributes", "cap"], "no attribute 'cap'"),
        (["--attributes", "glasses", "--patch", "65"], "does not fit into images of 64"),
        (["--attributes", "glasses", "--patch", "60", "--across", "9"], "have 2 to 5"),
        (["--attributes", "glasses", "--patch", "8"], "at least 16 x 16"),
        (["--attributes", "glasses", "--images", "1"], "--images must be at least 2"),
        (["--attributes", "age", "--edges", "5", "50", "95", "120"], "no example has age 95 to 120"),
        (["--attributes", "glasses", "--read", "digits"], "import alike"),
        (["--attributes", "glasses", "--train-robust"], "needs a --confounder"),
        ([*ROBUST, "--target", "glasses"], "target and confounder at once"),
        ([*ROBUST, "--target", "age"], "two named values"),
        ([*ROBUST, "--carrier", "Boy"], "no such value"),
        ([*ROBUST, "--shows", "maybe"], "no value 'maybe'"),
        ([*ROBUST, "--confounder", "hair"], "say by --shows"),
        ([*ROBUST, "--quantiles", "1.5"], "between 0 and 1"),
        ([*ROBUST, "--methods", "magic"], "Unknown method 'magic'"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(tmp_path: Path, given: list[str], said: str) -> None:
    small = [word for word in SMALL if word not in ("--across", "5")] if "--across" in given else SMALL
    with pytest.raises(ValueError, match=re.escape(said)) as error:
        run(*small, *QUIET, *given, "--out", str(tmp_path / "out"))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_maps_are_shown_where_a_training_fails(local_ray: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(robust, "run_cells", lambda *given: {1: "Its loss is not finite; lower --lr."})
    said = r"^erm, original, seed 1: Its loss is not finite; lower --lr\.\nWhat failed is not shown; the same command tries"
    with pytest.raises(ValueError, match=said):
        run(*SMALL, *QUIET, *ROBUST, *SHORT, "--out", str(tmp_path / "out"))
    html = (tmp_path / "out/report.html").read_text()
    assert "Its loss is not finite" in html
    assert "Where images show glasses" in html
    assert {r["method"] for r in storage.read_json(str(tmp_path / "out/results.json"))["rows"]} == {"regions"}
