"""A model in this process: a torch module, or one read from a file, without pickles.

    weights.safetensors:resnet18   weights of a network of this project, by its name
    model.pt2                      torch.export.save of a module that takes (B, C, H, W): `exported`
    model.onnx                     by onnxruntime, which is an extra: uv sync --extra onnx

Axes: C channel, H W pixel, K output.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from biasray import networks, storage
from biasray.audit.targets.target import Probe, Target, first_line
from biasray.data.decode import decode

Floats = NDArray[np.float32]


@final
@dataclass(frozen=True)
class Seen:
    """How images are shown to a local model."""

    side: int = 64
    """Pixels a side, to which an image is resized."""
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    """Taken from each channel on [0, 1]."""
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    """By which it is divided then."""

    def __call__(self, image_png: bytes) -> Floats:
        """(1, C, H, W)."""
        image_HWC = decode(image_png, self.side, "RGB").astype(np.float32) / 255
        shown_HWC = (image_HWC - np.array(self.mean, np.float32)) / np.array(self.std, np.float32)
        return np.ascontiguousarray(shown_HWC.transpose(2, 0, 1)[None])


@final
class Local(Target):
    """Answers with the outputs of a model, a list of K numbers; with the number where there is one."""

    def __init__(self, model: Callable[[Floats], Floats], seen: Seen) -> None:
        self.model, self.seen = model, seen

    def answer(self, probe: Probe) -> Any:
        side = self.seen.side
        try:
            output_K = np.asarray(self.model(self.seen(probe.image_png)), np.float64).reshape(-1)
        except (RuntimeError, AssertionError, TypeError, IndexError) as error:
            raise ValueError(
                f"The model cannot look at an image of {side} x {side} pixels ({first_line(error)}); give its --side, and a "
                "model on the CPU in float32."
            ) from error
        return float(output_K[0]) if len(output_K) == 1 else output_K.tolist()


def module(network: nn.Module, seen: Seen) -> Local:
    """A torch module that takes (B, C, H, W) on the CPU."""

    @torch.inference_mode()
    def model(image_1CHW: Floats) -> Floats:
        output = network(torch.from_numpy(image_1CHW))
        if not isinstance(output, Tensor):
            raise ValueError(f"The model puts out a {type(output).__name__}; export one that puts out a tensor.")
        return output.float().numpy()

    return Local(model, seen)


def weights(file: str, name: str, seen: Seen) -> Local:
    """A network of this project with the weights of a safetensors file."""
    networks.check(name)
    try:
        state = load(storage.read(file))
    except SafetensorError as error:
        raise ValueError(f"{file} is no safetensors file ({error}); save the model's state dict as one.") from error
    if "head.weight" not in state:
        raise ValueError(f"{file} has no 'head.weight', which every network of this project has; export the model instead.")
    network = networks.build(name, (3, seen.side, seen.side), len(state["head.weight"]))
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        said = " ".join(str(error).split())[:200]
        raise ValueError(f"{file} does not hold the weights of {name} for {seen.side} pixels: {said}") from error
    return module(network.eval(), seen)


def onnx(file: str, seen: Seen) -> Local:
    """A model of ONNX with one input and one output."""
    try:
        runtime = importlib.import_module("onnxruntime")
    except ModuleNotFoundError as error:
        raise ValueError(f"{file} needs onnxruntime, an extra of this project: uv sync --extra onnx.") from error
    own = [kind for kind in vars(runtime.capi.onnxruntime_pybind11_state).values() if isinstance(kind, type)]
    failures: tuple[type[Exception], ...] = (ValueError, *(kind for kind in own if issubclass(kind, Exception)))
    try:
        session = runtime.InferenceSession(storage.read(file), providers=["CPUExecutionProvider"])
        (given,), (_,) = ([x.name for x in part()] for part in (session.get_inputs, session.get_outputs))
    except failures as error:
        raise ValueError(f"{file} is no ONNX model with one input and one output ({first_line(error)}).") from error

    def model(image_1CHW: Floats) -> Floats:
        try:
            output: Floats = session.run(None, {given: image_1CHW})[0]
        except failures as error:
            raise RuntimeError(str(error)) from error
        return output

    return Local(model, seen)
