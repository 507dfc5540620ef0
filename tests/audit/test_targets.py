import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from biasray import networks
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


def test_a_model_from_a_file_answers_as_the_module_does(tmp_path: Path) -> None:
    expected = module(network(), SEEN).answer(probe())
    assert len(expected) == 2
    assert saved_weights(tmp_path).answer(probe()) == pytest.approx(expected, abs=1e-5)


def test_programs_of_torch_export_answer_as_the_module_and_run_no_code_of_their_own(tmp_path: Path) -> None:
    ran = subprocess.run([sys.executable, "-m", "tests.audit.exporting", str(tmp_path)], capture_output=True, check=True)
    found = json.loads(ran.stdout.splitlines()[-1])
    assert len(found["expected"]) == 2
    assert found["answer"] == pytest.approx(found["expected"], abs=1e-5)
    assert len(found["hidden"]) == 6
    for where, told in found["hidden"].items():
        assert "could run code" in told["said"] or "is no archive" in told["said"], where
        assert not told["ran"], where
    assert "is no program of torch.export" in found["other"]


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
    with pytest.raises(ValueError, match="no row for c"):
        Recorded(str(file)).answer(probe("c"))
    file.write_text("probe,gender,age_band\na,Man,30-39\n")
    assert Recorded(str(file)).answer(probe()) == {"gender": "Man", "age_band": "30-39"}
    file.write_text("file,age\nfaces/7.jpg,31.5\n")
    assert Recorded(str(file), {"a": "faces/7.jpg"}).answer(probe()) == 31.5
    file.write_text("probe,file,age\na,faces/7.jpg,31.5\n")
    assert Recorded(str(file)).answer(probe()) == 31.5
    assert Recorded(str(file), keys=("file",)).answer(probe("faces/7.jpg")) == 31.5
    file.write_text("name,age\na,1\n")
    with pytest.raises(ValueError, match="needs a column `probe` or `file`"):
        Recorded(str(file))
    file.write_text("probe,age\na,1\na,2\n")
    with pytest.raises(ValueError, match="1 images twice"):
        Recorded(str(file))
