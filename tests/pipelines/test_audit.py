"""An audit from references to a replayed journal."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from safetensors.torch import save_file

from biasray import data
from biasray.audit import kit
from biasray.audit.reading import Reading
from biasray.audit.targets.local import Seen
from biasray.engine.zoo import make_zoo
from biasray.experiment import Compute
from biasray.zoo import store
from biasray.zoo.reference import ReferenceZoo
from pipelines import audit
from pipelines.study import Study, study
from tests.audit.server import serving
from tests.report.browser import look

FACES = data.load("drawn-faces")
YEARS = Reading(scale=20, shift=35)  # of this project's own regressors
GENDER = "Male - Female"


@pytest.fixture(scope="module")
def zoo(local_ray: None, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Eleven members of each of two networks."""
    out = str(tmp_path_factory.mktemp("references"))
    members = ReferenceZoo(members=22, networks=("cnn", "mlp"), images=150, epochs=2).expand(FACES, "float32", 0)
    assert make_zoo(members, {"kind": "references"}, FACES, out, Compute(device="cpu", threads=1)) == {}
    return out


@pytest.fixture(scope="module")
def made(zoo: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A kit of 12 images."""
    folder = tmp_path_factory.mktemp("audit")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        asked = {"references": (zoo,), "private": "drawn-faces", "probes": "drawn-faces", "budget": 12, "candidates": 60}
        audit.prepare(audit.Prepare(**asked, out=str(folder / "kit")))  # type: ignore[arg-type]
    return str(folder / "kit")


def member(zoo: str, folder: Path, place: int = 3) -> tuple[str, float]:
    """The weights of a member in a file, and its gap."""
    opened = store.Zoo(zoo)
    row = opened.index[opened.index["network"] == "cnn"].iloc[place]
    save_file(opened.state_dict(row["id"]), folder / "m.safetensors")
    return f"{folder}/m.safetensors:cnn", row["age_mae Male"] - row["age_mae Female"]


def test_the_bias_of_a_reference_is_read_from_its_answers_and_replayed_offline(
    zoo: str, made: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    black_box, truth = member(zoo, tmp_path)
    config = audit.Run(kit=made, black_box=black_box, repeats=2, reading=YEARS, seen=Seen(side=32), out=str(tmp_path / "out"))
    found = audit.audit(config)
    (estimate,) = found.estimates
    assert (estimate.figure, found.answers, found.changed, found.caveats) == (GENDER, 12, [], [])
    assert abs(estimate.value - truth) <= estimate.half < np.inf
    told = json.loads((tmp_path / "out" / "results.json").read_text())
    assert (told["asked"], told["estimates"][0]["value"]) == (14, estimate.value)
    again = audit.replay(audit.Replay(kit=made, journal=str(tmp_path / "out" / "journal.jsonl"), reading=YEARS))
    assert again.estimates == found.estimates
    capsys.readouterr()
    audit.audit(config)
    assert capsys.readouterr().out.startswith("0 questions")
    seen = look(tmp_path / "out" / "report.html", 1000)
    assert (seen["broken"], seen["flat"]) == (0, 0)
    assert GENDER in seen["text"]


def test_a_number_that_is_no_age_is_seen_to_be_unlike_all_references(zoo: str, made: str, tmp_path: Path) -> None:
    black_box, _ = member(zoo, tmp_path)
    raw = Reading(scale=1, shift=5)  # not in years
    found = audit.audit(audit.Run(kit=made, black_box=black_box, reading=raw, seen=Seen(side=32), out=str(tmp_path / "out")))
    assert found.estimates[0].half == np.inf
    assert any("like no reference" in said for said in found.caveats)


def test_answers_of_one_who_counts_backwards_get_no_interval(made: str, tmp_path: Path) -> None:
    given = kit.read(made)
    answer_N = 2 * given.pool.answer_RN.mean() - given.pool.answer_RN[0]
    pd.DataFrame({"probe": [p.name for p in given.probes], "age": answer_N}).to_csv(tmp_path / "a.csv", index=False)
    found = audit.audit(audit.Run(kit=made, black_box=str(tmp_path / "a.csv"), out=str(tmp_path / "out")))
    assert found.estimates[0].half == np.inf
    assert "other way round" in found.caveats[0]


def test_a_model_that_changes_its_mind_is_caught_and_missing_answers_are_told(made: str, tmp_path: Path) -> None:
    given = kit.read(made)
    names = [p.name for p in given.probes]
    answers = dict(zip(names, given.pool.answer_RN[0], strict=True))
    table = pd.DataFrame({"probe": [*names[:-1], f"{names[0]} again"], "age": [*list(answers.values())[:-1], 99.0]})
    table.to_csv(tmp_path / "a.csv", index=False)
    found = audit.audit(audit.Run(kit=made, black_box=str(tmp_path / "a.csv"), repeats=1, out=str(tmp_path / "out")))
    assert (found.answers, found.changed) == (11, [names[0]])
    assert [said.split(" ")[0] for said in found.caveats][-2:] == ["It", "1"]


def test_no_private_image_and_no_label_is_in_a_kit_nor_on_the_wire(made: str, tmp_path: Path) -> None:
    given, examples = kit.read(made), FACES.examples
    columns = set(pd.read_parquet(f"{made}/probes.parquet")) | set(pd.read_parquet(f"{made}/references.parquet"))
    assert columns == {"probe", "image", "id", "network", "bias", "answers", "bias 0"}
    private = {FACES.take(np.array([k])).tobytes() for k in np.flatnonzero(examples["split"] != "train")[:500]}
    asked = {np.asarray(Image.open(io.BytesIO(p.image_png))).tobytes() for p in given.probes}
    public = {FACES.take(np.array([k])).tobytes() for k in np.flatnonzero(examples["id"].isin([p.name for p in given.probes]))}
    assert asked == public
    assert len(private) > 100
    with serving(tmp_path / "notes") as box:
        audit.audit(
            audit.Run(kit=made, black_box=box.url, budget=6, reading=Reading(field="faces.0.age"), out=str(tmp_path / "out"))
        )
        assert [list(json.loads(body)) for body in box.bodies] == [["image"]] * 6


@pytest.mark.parametrize("name", ["kit.json", "probes.parquet", "references.parquet", "intervals.parquet"])
def test_a_kit_with_one_byte_changed_is_refused(name: str, made: str, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / "kit")
    file = tmp_path / "kit" / name
    changed = bytearray(file.read_bytes())
    changed[len(changed) // 2] ^= 1
    file.write_bytes(changed)
    with pytest.raises(ValueError, match=r"was changed|is damaged"):
        kit.read(str(tmp_path / "kit"))


def test_a_study_tells_how_far_off_estimates_are(zoo: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = Study(
        references=(zoo,), private="drawn-faces", probes="drawn-faces", estimators=("kernel",), budgets=(10, 500),
        candidates=60, draws=1, out=str(tmp_path / "out"), tracking="none",
    )  # fmt: skip
    study(config)
    rows = json.loads((tmp_path / "out" / "results.json").read_text())["rows"]
    assert {r["budget"] for r in rows} == {10, 60}
    assert {r["method"] for r in rows} == {"kernel", "public images", "leaked images"}
    assert {r["n"] for r in rows if r["group"] == GENDER} == {22}
    fits = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*.parquet") if p.parent.name == "fits"}
    assert len(fits) == 4
    study(config)
    assert {p: p.stat().st_mtime_ns for p in fits} == fits
    seen = look(tmp_path / "out" / "report.html", 1000)
    assert (seen["broken"], seen["flat"]) == (0, 0)
    assert "kernel, chosen" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"black_box": "model.pickle"}, "give http://..., a .csv of answers"),
        ({"black_box": "a.csv", "reading": Reading(kind="label")}, "kit asks about age, and --kind label is none"),
        ({"black_box": "a.csv", "budget": 4, "repeats": 3}, "--repeats 3 of a --budget of 4: give 0 to 2"),
        ({"black_box": "a.csv", "out": "s3://bucket/out"}, "give a folder of this machine"),
        ({"kit": "nowhere", "black_box": "a.csv"}, "nowhere holds no kit"),
    ],
)
def test_what_cannot_be_audited_is_said_in_a_sentence(fields: dict[str, object], says: str, made: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=says):
        audit.audit(audit.Run(**{"kit": made, "out": str(tmp_path / "out"), **fields}))  # type: ignore[arg-type]
