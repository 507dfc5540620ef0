"""Models of others: checkpoints of PyTorch, safetensors and Keras as rows of a layout, none of them unpickled.

Axes of convolutions: O output, C input channel, H W; Keras has H W C O, and flattens as H W C where torch has C H W.
"""

import io
import math
import pickle
from collections.abc import Sequence
from typing import Any, NamedTuple

import h5py
import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from biasray import storage
from biasray.networks.layout import Layout

KINDS = (".safetensors", ".pt", ".pth", ".h5")
PICKLED = (b"PK\x03\x04", *(bytes([0x80, protocol]) for protocol in range(2, 6)))  # how torch.save and pickle begin


class Row(NamedTuple):
    weight_P: Tensor  # float32
    by_name: bool  # else its tensors have other names and were taken in their order


def row(uri: str, layout: Layout) -> Row:
    """A checkpoint's weights: by name where it has some of the layout's names, else in order.

    safetensors keep no order, so there names are needed. Raises ValueError for a file that is none, or holds another network.
    """
    state, wanted = read(uri), [entry.name for entry in layout.entries]
    if uri.endswith(".safetensors") or set(wanted) & set(state):
        if more := sorted(set(state) - set(wanted)):
            raise ValueError(f"{uri} is another network, or has other names: '{more[0]}' is none of {', '.join(wanted)}.")
        try:
            return Row(layout.row(state).float(), True)
        except ValueError as error:
            raise ValueError(f"{uri} is another network: {error}") from error
    tensors = _from_keras(list(state.values())) if uri.endswith(".h5") else list(state.values())
    have, want = [tuple(t.shape) for t in tensors], [entry.shape for entry in layout.entries]
    if have != want:
        raise ValueError(
            f"{uri} is another network: its names are others, and in their order its tensors have shapes {have}, where {want} "
            "are wanted."
        )
    return Row(torch.cat([tensor.reshape(-1).float() for tensor in tensors]), False)


def read(uri: str) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name, in the order of its layers and in its own axes."""
    data = storage.read(uri)
    try:
        if uri.endswith(".safetensors"):
            return _floats(load(data))
        if uri.endswith((".pt", ".pth")):
            found = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
            if isinstance(found, dict) and (state := _floats(found.get("state_dict", found))):
                return state
            raise ValueError(f"{uri} holds no plain weights: no tensors by name at its top or in 'state_dict'; save these.")
        if uri.endswith(".h5"):
            return _keras(data)
    except (SafetensorError, OSError, RuntimeError, EOFError, KeyError, pickle.UnpicklingError) as error:
        if data.startswith(PICKLED):
            raise ValueError(
                f"{uri} holds no plain weights but a pickle of more, or a damaged one, which is not run: save them alone."
            ) from error
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"{uri} holds no plain weights ({said}); save the model's weights alone.") from error
    raise ValueError(f"{uri} is no checkpoint; give a file that ends in {', '.join(KINDS)}.")


def _floats(found: Any) -> dict[str, Tensor]:
    """Without counts, such as the batches that a norm has seen."""
    tensors = found.items() if isinstance(found, dict) else ()
    return {name: t for name, t in tensors if isinstance(t, Tensor) and t.is_floating_point()}


def _keras(data: bytes) -> dict[str, Tensor]:
    """Weights of Keras 2 (`save_weights` or `save` to .h5): layers and weights are listed by attributes."""
    with h5py.File(io.BytesIO(data)) as file:
        root = file.get("model_weights", file)
        found = {}
        for layer in _text(root.attrs["layer_names"]):
            for name in _text(root[layer].attrs["weight_names"]):
                found[f"{layer}/{name}"] = torch.from_numpy(root[layer][name][()])
    return found


def _text(names: Sequence[bytes | str]) -> list[str]:
    return [name.decode() if isinstance(name, bytes) else name for name in names]


def _from_keras(tensors: list[Tensor]) -> list[Tensor]:
    """In torch's axes: convolutions O C H W, dense layers O F, and the first of these reads C H W."""
    found, channels = list[Tensor](), 0
    for tensor in tensors:
        if tensor.ndim == 4:
            tensor = tensor.permute(3, 2, 0, 1)
            channels = len(tensor)
        elif tensor.ndim == 2:
            tensor = tensor.T
            side = math.isqrt(tensor.shape[1] // channels) if channels else 0
            if channels * side**2 == tensor.shape[1]:
                tensor = tensor.unflatten(1, (side, side, channels)).permute(0, 3, 1, 2).flatten(1)
            channels = 0
        found.append(tensor)
    return found
