import io
import json
import os
import pickle
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from biasray import networks
from biasray.audit.targets.exported import exported
from biasray.audit.targets.local import Local, Seen, module, onnx, weights
from biasray.audit.targets.recorded import Recorded
from biasray.audit.targets.target import Probe

SEEN = Seen(side=32, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


def probe(name: str = "a", side: int = 48) -> Probe:
    image_HWC = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(image_HWC).save(buffer, "PNG")
    return Probe(name, buffer.getvalue())


def network() -> nn.Module:
    torch.manual_seed(0)
    return networks.build("cnn", (3, 32, 32), 2).eval()


def saved_weights(folder: Path) -> Local:
    save_file(network().state_dict(), folder / "w.safetensors")
    return weights(str(folder / "w.safetensors"), "cnn", SEEN)


def saved_program(folder: Path) -> Local:
    torch.export.save(torch.export.export(network(), (torch.zeros(1, 3, 32, 32),)), folder / "m.pt2")
    return exported(str(folder / "m.pt2"), SEEN)


@pytest.mark.parametrize("saved", [saved_weights, saved_program])
def test_a_model_from_a_file_answers_as_the_module_does(saved: type, tmp_path: Path) -> None:
    expected = module(network(), SEEN).answer(probe())
    assert len(expected) == 2
    assert saved(tmp_path).answer(probe()) == pytest.approx(expected, abs=1e-5)


def test_images_are_resized_and_scaled_as_told() -> None:
    class Mean(nn.Module):
        def forward(self, image_BCHW: Tensor) -> Tensor:
            assert image_BCHW.shape[2:] == (32, 32)
            return image_BCHW.mean((1, 2, 3))

    grey = io.BytesIO()
    Image.new("RGB", (48, 48), (102, 102, 102)).save(grey, "PNG")
    assert module(Mean(), SEEN).answer(Probe("a", grey.getvalue())) == pytest.approx((0.4 - 0.5) / 0.25, abs=1e-6)


def test_weights_of_another_network_or_side_are_named(tmp_path: Path) -> None:
    saved_weights(tmp_path)
    with pytest.raises(ValueError, match="does not hold the weights of digit-cnn for 32 pixels"):
        weights(str(tmp_path / "w.safetensors"), "digit-cnn", SEEN)
    with pytest.raises(ValueError, match="Unknown network 'vgg'"):
        weights(str(tmp_path / "w.safetensors"), "vgg", SEEN)
    save_file({"fc.weight": torch.zeros(2, 3)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=r"has no 'head\.weight'"):
        weights(str(tmp_path / "other.safetensors"), "cnn", SEEN)
    (tmp_path / "no.safetensors").write_bytes(b"\x80\x04pickle")
    with pytest.raises(ValueError, match="is no safetensors file"):
        weights(str(tmp_path / "no.safetensors"), "cnn", SEEN)
    with pytest.raises(ValueError, match=r"is no program of torch\.export"):
        exported(str(tmp_path / "no.safetensors"), SEEN)


class Runs:
    """What is run where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.mark),)


HIDDEN = [
    "data/sample_inputs/model.pt",
    "version",
    "data/sample_inputs/MODEL.PT",
    "data/aotinductor/model/lib.so",
    "data/constants/model_constants_config.json",
    "models/model.json",
]


@pytest.mark.parametrize("where", HIDDEN)
def test_a_program_that_would_run_code_of_its_own_is_refused_before_it_runs(where: str, tmp_path: Path) -> None:
    saved_program(tmp_path)
    mark, bad = tmp_path / "ran", tmp_path / "bad.pt2"
    runs = f"__import__('os').mkdir({str(mark)!r})"
    with zipfile.ZipFile(tmp_path / "m.pt2") as good, zipfile.ZipFile(bad, "w") as changed:
        files = {name: good.read(name) for name in good.namelist()}
        place = f"{next(iter(files)).split('/')[0]}/{where}"
        if where.endswith("model.json"):
            files[place] = json.dumps({**json.loads(files[place]), "more": [{"expr_str": runs}]}).encode()
        elif where.endswith("config.json"):
            odd = {"x": {"path_name": "opaque_obj_0", "use_pickle": False, "is_param": False, "tensor_meta": None}}
            files[place] = json.dumps({"config": odd}).encode()
            files[place.replace("model_constants_config.json", "opaque_obj_0")] = pickle.dumps(Runs(mark), protocol=2)
        else:
            files[where if where == "version" else place] = pickle.dumps(Runs(mark), protocol=2)
        for name, content in files.items():
            changed.writestr(name, content)
    with pytest.raises(ValueError, match=r"could run code|is no archive"):
        exported(str(bad), SEEN)
    assert not mark.exists()


def test_a_model_that_wants_another_side_is_said_to() -> None:
    with pytest.raises(ValueError, match="cannot look at an image of 16 x 16 pixels"):
        module(nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 1)), Seen(side=16)).answer(probe())


def test_a_model_that_puts_out_more_than_one_tensor_is_said_to() -> None:
    class Two(nn.Module):
        def forward(self, image_BCHW: Tensor) -> tuple[Tensor, Tensor]:
            return image_BCHW, image_BCHW

    with pytest.raises(ValueError, match="puts out a tuple"):
        module(Two(), SEEN).answer(probe())


def test_onnx_without_its_extra_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ValueError, match="uv sync --extra onnx"):
        onnx("model.onnx", SEEN)


def test_recorded_answers_are_those_of_the_row(tmp_path: Path) -> None:
    file = tmp_path / "answers.csv"
    file.write_text("probe,age\na,31.5\nb,40\n")
    assert [Recorded(str(file)).answer(probe(name)) for name in "ba"] == [40, 31.5]
    with pytest.raises(ValueError, match="no row for the probe c"):
        Recorded(str(file)).answer(probe("c"))
    file.write_text("probe,gender,age_band\na,Man,30-39\n")
    assert Recorded(str(file)).answer(probe()) == {"gender": "Man", "age_band": "30-39"}
    file.write_text("file,age\na,1\n")
    with pytest.raises(ValueError, match="needs a column `probe`"):
        Recorded(str(file))
    file.write_text("probe,age\na,1\na,2\n")
    with pytest.raises(ValueError, match="1 probes twice"):
        Recorded(str(file))
