from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F

from biasray import data
from biasray.audit.figures import Target, errors, published, truth
from biasray.engine.answers import answer_all
from biasray.engine.zoo import make_zoo
from biasray.experiment import Compute
from biasray.zoo import store
from biasray.zoo.reference import ReferenceZoo
from pipelines.benchmarks.drawn_zoo import draw

FACES = data.load("drawn-faces")
NOTED: dict[Target, str] = {"age": "age_mae", "gender": "gender_error"}
OTHERS = np.flatnonzero(FACES.examples["split"] != "train")


@pytest.fixture(scope="module")
def zoo(local_ray: None, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Four members of two networks, one of which has norms."""
    out = str(tmp_path_factory.mktemp("references"))
    spec = ReferenceZoo(members=13, networks=("cnn-bn", "mlp"), targets=("age", "gender"), images=200, epochs=1, side=32)
    members = spec.expand(FACES, "float32", 0)
    chosen = tuple(members[k] for k in (0, 1, 11, 12))
    assert make_zoo(chosen, {"kind": "references"}, FACES, out, Compute(device="cpu", threads=1)) == {}
    return out


def test_members_answer_as_their_networks_do(zoo: str, tmp_path: Path) -> None:
    rows = OTHERS[:7]
    found = answer_all(zoo, FACES, rows, str(tmp_path))
    image_BCHW = torch.from_numpy(FACES.take(rows)).permute(0, 3, 1, 2) / 255
    opened = store.Zoo(zoo)
    for m, name in enumerate(opened.index["id"]):
        with torch.inference_mode():
            output_BK = opened.network(name)(F.adaptive_avg_pool2d(image_BCHW, 32))
        assert found["age"][m] == pytest.approx((output_BK[:, 0] * 20 + 35).numpy(), abs=1e-3)
        assert found["gender"][m] == pytest.approx(output_BK[:, 1:].softmax(1)[:, 1].numpy(), abs=1e-4)


def test_the_truth_of_their_answers_is_what_the_zoo_noted_when_it_tested_them(zoo: str, tmp_path: Path) -> None:
    found, index, examples = answer_all(zoo, FACES, OTHERS, str(tmp_path)), store.Zoo(zoo).index, FACES.examples.iloc[OTHERS]
    (gender,) = [figure for figure in published(examples) if figure.attribute == "gender"]
    for target, noted in NOTED.items():
        gap_M = truth([gender], errors(target, found[target].astype(float), examples), examples)[:, 0]
        assert gap_M == pytest.approx((index[f"{noted} Male"] - index[f"{noted} Female"]).to_numpy(), abs=1e-4)
        assert target == "gender" or len(set(gap_M)) == 4


def test_what_was_answered_is_not_asked_again(zoo: str, tmp_path: Path) -> None:
    rows, heard = OTHERS[:5], list[int]()
    first = answer_all(zoo, FACES, rows, str(tmp_path), heard.append)
    assert sum(heard) == 4
    kept = {file: file.stat().st_mtime_ns for file in (tmp_path / "answers").rglob("*.parquet")}
    lost = next(iter(kept))
    lost.unlink()
    again = answer_all(zoo, FACES, rows, str(tmp_path))
    assert (again["age"] == first["age"]).all()
    assert [file for file, at in kept.items() if file.stat().st_mtime_ns != at] == [lost]
    answer_all(zoo, FACES, OTHERS[1:6], str(tmp_path))
    assert len(list((tmp_path / "answers").iterdir())) == 2


def test_what_is_no_zoo_of_faces_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no zoo"):
        answer_all(str(tmp_path), FACES, OTHERS[:5], str(tmp_path))
    draw(str(tmp_path / "digits"), "mlp", (3, 28, 28), 10, pd.DataFrame({"level": [0, 1]}), 2)
    with pytest.raises(ValueError, match="holds no models of faces"):
        answer_all(str(tmp_path / "digits"), FACES, OTHERS[:5], str(tmp_path))
