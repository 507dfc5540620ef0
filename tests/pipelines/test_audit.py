"""An audit from references to a replayed journal."""

import io
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from safetensors.torch import save_file

from biasray import data
from biasray.audit import kit
from biasray.audit.adaptive import FEWEST
from biasray.audit.asking import AGAIN, Asked
from biasray.audit.estimators import found, known
from biasray.audit.journal import Journal
from biasray.audit.reading import Reading
from biasray.audit.targets.local import Seen
from biasray.audit.verdict import judge
from biasray.engine.zoo import make_zoo
from biasray.experiment import Compute
from biasray.zoo import store
from biasray.zoo.reference import ReferenceZoo
from pipelines import audit, prepare
from pipelines.study import Study, study
from tests.audit.server import serving
from tests.report.browser import look

FACES = data.load("drawn-faces")
YEARS = Reading(scale=20, shift=35)  # of this project's own regressors
GENDER = "Male - Female"
DIFFER = "Its answers do not show whether it is like the references: these differ as much among themselves."


@pytest.fixture(scope="module")
def zoo(local_ray: None, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Eleven members of each of two networks."""
    out = str(tmp_path_factory.mktemp("references"))
    members = ReferenceZoo(members=22, networks=("cnn", "mlp"), images=150, epochs=2).expand(FACES, "float32", 0)
    assert make_zoo(members, {"kind": "references"}, FACES, out, Compute(device="cpu", threads=1)) == {}
    return out


@pytest.fixture(scope="module")
def stranger(local_ray: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, float]:
    """The weights of a model that is no reference, in a file, and its gap."""
    folder = tmp_path_factory.mktemp("stranger")
    members = ReferenceZoo(members=1, networks=("cnn",), images=150, epochs=2).expand(FACES, "float32", 1)
    assert make_zoo(members, {"kind": "references"}, FACES, str(folder / "zoo"), Compute(device="cpu", threads=1)) == {}
    opened = store.Zoo(str(folder / "zoo"))
    (row,) = opened.index.to_dict("records")
    save_file(opened.state_dict(row["id"]), folder / "m.safetensors")
    return f"{folder}/m.safetensors:cnn", row["age_mae Male"] - row["age_mae Female"]


def given(zoo: str, folder: Path, **fields: Any) -> prepare.Prepare:
    asked = {"references": (zoo,), "private": "drawn-faces", "probes": "drawn-faces", "budget": 12, "candidates": 60}
    return prepare.Prepare(**{**asked, "answers": str(folder / "answers"), "out": str(folder / "kit"), **fields})


def answered(made: str) -> str:
    """The folder of what references were asked for a kit, which the next kit need not ask again."""
    return str(Path(made).with_name("answers"))


@pytest.fixture(scope="module")
def made(zoo: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A kit of 12 images."""
    config = given(zoo, tmp_path_factory.mktemp("audit"))
    prepare.prepare(config)
    return config.out


def test_the_bias_of_a_model_is_read_from_its_answers_and_replayed_offline(
    stranger: tuple[str, float], made: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (black_box, truth), out = stranger, tmp_path / "out"
    config = audit.Run(kit=made, black_box=black_box, budget=14, repeats=2, reading=YEARS, seen=Seen(side=32), out=str(out))
    found = audit.audit(config)
    (estimate,) = found.estimates
    assert (estimate.figure, found.answers, found.changed, found.caveats) == (GENDER, 12, [], [DIFFER])
    assert abs(estimate.value - truth) <= estimate.half < np.inf
    told = json.loads((out / "results.json").read_text())
    assert (told["answers"], told["estimates"][0]["value"]) == (12, estimate.value)
    assert told["likeness"]["along"] == found.likeness.along_M[0]
    again = audit.replay(audit.Replay(kit=made, audit=str(out)))
    assert again.estimates == found.estimates
    capsys.readouterr()
    audit.audit(config)
    assert capsys.readouterr().out.startswith("0 questions")
    seen = look(out / "report.html", 1000)
    assert (seen["broken"], seen["flat"]) == (0, 0)
    assert GENDER in seen["text"]
    with pytest.raises(ValueError, match="its side differ"):
        audit.audit(replace(config, seen=Seen(side=64)))

    journal = (out / "journal.jsonl").read_bytes()
    (out / "journal.jsonl").write_bytes(b"".join(journal.splitlines(keepends=True)[:-1]))
    with pytest.raises(ValueError, match="lines were changed or left out"):
        audit.replay(audit.Replay(kit=made, audit=str(out)))
    (out / "journal.jsonl").write_bytes(journal)
    (out / "results.json").write_text(json.dumps({**told, "estimates": [{**told["estimates"][0], "value": 0.5}]}))
    with pytest.raises(ValueError, match=r"says 0\.5 of Male - Female"):
        audit.replay(audit.Replay(kit=made, audit=str(out)))


def test_asked_in_turn_an_audit_stops_goes_on_and_is_replayed(
    stranger: tuple[str, float], made: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (black_box, truth), out = stranger, tmp_path / "out"
    config = audit.Run(kit=made, black_box=black_box, within=1e-3, reading=YEARS, seen=Seen(side=32), out=str(out))
    every = audit.audit(config)
    assert every.answers == 12
    assert every.caveats == [DIFFER, "The interval is no narrower than this after 12 questions; 0.001 was asked for."]
    with pytest.raises(ValueError, match="its within differ"):
        audit.audit(replace(config, within=3.0))
    found = audit.audit(replace(config, within=3.0, out=str(tmp_path / "few")))
    assert FEWEST <= found.answers < 12
    assert abs(found.estimates[0].value - truth) <= found.estimates[0].half
    few, all_ = ((tmp_path / name / "journal.jsonl").read_text().splitlines() for name in ("few", "out"))
    asked = [[json.loads(line)["probe"] for line in lines[1:]] for lines in (few, all_)]
    assert asked[1][: len(asked[0])] == asked[0]
    assert asked[1] != sorted(asked[1])

    (tmp_path / "few" / "journal.jsonl").write_text("\n".join(few[:4]) + "\n")  # killed after three answers
    capsys.readouterr()
    again = audit.audit(replace(config, within=3.0, out=str(tmp_path / "few")))
    assert capsys.readouterr().out.startswith(f"{found.answers - 3} questions")
    assert again.estimates == found.estimates
    assert audit.replay(audit.Replay(kit=made, audit=str(tmp_path / "few"))).estimates == found.estimates
    text = look(tmp_path / "few" / "report.html", 1000)["text"]
    assert "each by the answers before it" in text

    with Journal(str(tmp_path / "more" / "journal.jsonl"), {**json.loads(few[0])["about"]}) as kept:
        for line in all_[1:]:
            kept.append(*(json.loads(line)[name] for name in ("probe", "image", "answer")))
    told = json.loads((tmp_path / "few" / "results.json").read_text())
    (tmp_path / "more" / "results.json").write_text(json.dumps({**told, "chain": kept.last}))
    with pytest.raises(ValueError, match=f"After {found.answers} answers the kit asks about another image, or about none"):
        audit.replay(audit.Replay(kit=made, audit=str(tmp_path / "more")))


def test_in_turn_an_image_without_an_answer_is_passed_over(made: str, tmp_path: Path) -> None:
    opened = kit.read(made)
    first = opened.policy(1e-3, 12).next(np.full(12, np.nan), [])
    assert first is not None
    table = pd.DataFrame({"file": opened.ids, "age": opened.pool.answer_RN[0]}).drop(index=first)
    table.to_csv(tmp_path / "a.csv", index=False)
    config = audit.Run(kit=made, black_box=str(tmp_path / "a.csv"), within=1e-3, budget=9, out=str(tmp_path / "out"))
    found = audit.audit(config)
    assert (found.answers, len(found.problems)) == (8, 1)
    assert audit.replay(audit.Replay(kit=made, audit=str(tmp_path / "out"))).estimates == found.estimates


@pytest.mark.parametrize("name", found())
def test_a_kit_of_every_estimator_and_of_several_figures_is_read_as_it_was_made(
    name: str, zoo: str, made: str, tmp_path: Path
) -> None:
    figures = ("gender=Male/Female", "glasses=yes")
    config = given(zoo, tmp_path, estimator=name, figure=figures, answers=answered(made))
    prepare.prepare(config)
    opened = kit.read(config.out)
    learnt = known(name)().fit(opened.pool.answer_RN, opened.pool.truth_RT)
    answer_RN = opened.pool.answer_RN
    assert opened.estimator(np.ones(12, bool)).predict(answer_RN) == pytest.approx(learnt.predict(answer_RN))
    pd.DataFrame({"probe": [p.name for p in opened.probes], "age": answer_RN[3]}).to_csv(tmp_path / "a.csv", index=False)
    for within in (None, 5.0):
        told = audit.audit(
            audit.Run(kit=config.out, black_box=str(tmp_path / "a.csv"), within=within, out=str(tmp_path / f"out {within}"))
        )
        assert [e.figure for e in told.estimates] == ["Male - Female", "yes - all"]
        assert all(np.isfinite(e.half) for e in told.estimates)


def test_a_number_that_is_no_age_is_seen_to_be_unlike_all_references(
    stranger: tuple[str, float], made: str, tmp_path: Path
) -> None:
    raw = Reading(scale=1, shift=5)  # not in years
    found = audit.audit(audit.Run(kit=made, black_box=stranger[0], reading=raw, seen=Seen(side=32), out=str(tmp_path)))
    assert found.estimates[0].half == np.inf
    assert any("like no reference" in said for said in found.caveats)


def test_answers_of_one_who_counts_backwards_get_no_interval(made: str, tmp_path: Path) -> None:
    opened = kit.read(made)
    answer_N = 2 * opened.pool.answer_RN.mean() - opened.pool.answer_RN.mean(0)
    pd.DataFrame({"probe": [p.name for p in opened.probes], "age": answer_N}).to_csv(tmp_path / "a.csv", index=False)
    found = audit.audit(audit.Run(kit=made, black_box=str(tmp_path / "a.csv"), out=str(tmp_path / "out")))
    assert found.estimates[0].half == np.inf
    assert "other way round" in found.caveats[0]


def test_a_model_that_changes_its_mind_is_caught_and_missing_answers_are_told(made: str) -> None:
    opened = kit.read(made)
    names, answers = [p.name for p in opened.probes], opened.pool.answer_RN[0]
    asked = [Asked(name, answer, "") for name, answer in zip(names, answers, strict=True)]
    asked[-1] = Asked(names[-1], np.nan, "no face")
    again = [Asked(names[0] + AGAIN, 99.0, ""), Asked(names[1] + AGAIN, answers[1] + 1e-5, "")]
    found = judge(opened, [*asked, *again, Asked(names[2] + AGAIN, np.nan, "no face")])
    assert (found.answers, found.changed) == (11, [names[0]])
    assert any("changed its mind about 1 of" in said for said in found.caveats)
    assert any("2 of 15 answers had no number" in said for said in found.caveats)


def test_no_private_image_and_no_label_is_in_a_kit_nor_on_the_wire(made: str, tmp_path: Path) -> None:
    opened, examples = kit.read(made), FACES.examples
    columns = set(pd.read_parquet(f"{made}/probes.parquet")) | set(pd.read_parquet(f"{made}/references.parquet"))
    assert columns == {"probe", "image", "id", "network", "bias", "answers", "bias 0"}
    by_split = {
        split: {image.tobytes() for image in FACES.take(np.flatnonzero((examples["split"] == "train") == (split == "train")))}
        for split in ("train", "private")
    }
    asked = {np.asarray(Image.open(io.BytesIO(p.image_png))).tobytes() for p in opened.probes}
    assert len(asked) == 12
    assert asked <= by_split["train"]
    assert not asked & by_split["private"]
    assert not set(opened.ids) & {p.name for p in opened.probes}
    with serving(tmp_path / "notes") as box:
        audit.audit(
            audit.Run(kit=made, black_box=box.url, budget=6, reading=Reading(field="faces.0.age"), out=str(tmp_path / "out"))
        )
        assert [list(json.loads(body)) for body in box.bodies] == [["image"]] * 6


def test_a_second_kit_asks_about_other_images(zoo: str, made: str, tmp_path: Path) -> None:
    config = given(zoo, tmp_path, without=(made,), answers=answered(made))
    prepare.prepare(config)
    first, second = (set(kit.read(place).ids) for place in (made, config.out))
    assert len(first | second) == 24


def test_what_a_kit_has_learnt_is_what_would_be_learnt_anew(made: str) -> None:
    opened = kit.read(made)
    answer_RN, every_N, some_N = opened.pool.answer_RN, np.ones(12, bool), np.arange(12) < 7
    learnt = known("kernel")().fit(answer_RN, opened.pool.truth_RT)
    assert opened.estimator(every_N).predict(answer_RN[:3]) == pytest.approx(learnt.predict(answer_RN[:3]))
    assert opened._replace(weights=pd.DataFrame()).estimator(some_N).predict(answer_RN[:3, some_N]).shape == (3, 1)
    spoilt = opened.weights.assign(weight=[10 * weight_N for weight_N in opened.weights["weight"]])
    assert opened._replace(weights=spoilt).estimator(every_N).predict(answer_RN[:3]) != pytest.approx(
        learnt.predict(answer_RN[:3])
    )


def test_a_kit_says_what_it_gives_away(made: str) -> None:
    assert "can tell with an AUC of 0." in kit.read(made).about["away"]


@pytest.mark.parametrize(
    "name", ["kit.json", "probes.parquet", "references.parquet", "intervals.parquet", "replays.parquet", "weights.parquet"]
)
def test_a_kit_with_one_byte_changed_is_refused(name: str, made: str, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / "kit")
    file = tmp_path / "kit" / name
    changed = bytearray(file.read_bytes())
    changed[len(changed) // 2] ^= 1
    file.write_bytes(changed)
    with pytest.raises(ValueError, match=r"was changed|is damaged"):
        kit.read(str(tmp_path / "kit"))


def test_a_study_tells_how_far_off_estimates_are(
    zoo: str, made: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = Study(
        references=(zoo,), private="drawn-faces", probes="drawn-faces", estimators=("kernel", "local"), budgets=(10, 500),
        candidates=60, draws=1, answers=answered(made), out=str(tmp_path / "out"), tracking="none",
    )  # fmt: skip
    study(config)
    rows = json.loads((tmp_path / "out" / "results.json").read_text())["rows"]
    assert {r["budget"] for r in rows} == {10, 60, None}
    assert {r["method"] for r in rows} == {"kernel", "local", "public images", "leaked images"}
    assert {r["n"] for r in rows if r["group"] == GENDER} == {22}
    fits = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*.parquet") if p.parent.name == "fits"}
    assert len(fits) == 10
    study(config)
    assert {p: p.stat().st_mtime_ns for p in fits} == fits
    seen = look(tmp_path / "out" / "report.html", 1000)
    assert (seen["broken"], seen["flat"]) == (0, 0)
    assert "asked in turn until the interval is within" in seen["text"]
    assert "kernel, chosen" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"black_box": "model.pickle"}, "give http://..., a .csv of answers"),
        ({"black_box": "a.csv", "reading": Reading(kind="label")}, "kit asks about age, and --kind label is none"),
        ({"black_box": "a.csv", "budget": 4, "repeats": 3}, "--repeats 3 of a --budget of 4: give 0 to 2"),
        ({"black_box": "a.csv", "budget": 4}, "--budget 4: an estimate needs answers to 5 images"),
        ({"black_box": "a.csv", "repeats": 1}, "answers that were recorded cannot change"),
        ({"black_box": "a.csv", "within": 0.0}, "--within 0.0: give a width above zero"),
        ({"black_box": "a.csv", "out": "s3://bucket/out"}, "give a folder of this machine"),
        ({"kit": "nowhere", "black_box": "a.csv"}, "nowhere holds no kit"),
    ],
)
def test_what_cannot_be_audited_is_said_in_a_sentence(fields: dict[str, Any], says: str, made: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=says):
        audit.audit(audit.Run(**{"kit": made, "out": str(tmp_path / "out"), **fields}))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"target": "gender"}, "predicts age, not gender"),
        ({"figure": ("race=Black",)}, "drawn-faces has no attribute 'race'"),
        ({"figure": ("gender=Male-Female",)}, "has 0 examples with gender Male-Female"),
        ({"figure": ("gender",)}, "is no figure of bias"),
        ({"probes": "digits"}, "digits holds no colour images"),
        ({"budget": 100}, "--budget 100: give 10 to the number of --candidates, 60"),
        ({"estimator": "oracle"}, "Unknown estimator 'oracle'"),
        ({"without": ("nowhere",)}, "nowhere holds no kit"),
    ],
)
def test_what_no_kit_can_be_made_of_is_said_before_anything_is_asked(
    fields: dict[str, Any], says: str, zoo: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=says):
        prepare.prepare(given(zoo, tmp_path, **fields))
    assert not (tmp_path / "answers").exists()


def test_references_of_one_architecture_make_no_kit(stranger: tuple[str, float], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="All references are of one architecture, cnn"):
        prepare.prepare(given(str(Path(stranger[0]).parent / "zoo"), tmp_path))
