"""Checkpoints of others become rows, and what is none is one sentence."""

import pickle
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from biasray import networks
from biasray.networks import layout
from biasray.zoo import checkpoint, store
from biasray.zoo.importing import import_zoo

SHAPE = (3, 28, 28)
Spoil = Callable[[dict[str, Tensor]], dict[str, Tensor]]


def network(name: str, seed: int = 0) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return networks.build(name, SHAPE, 10)


def to_keras(found: nn.Module, file: Path) -> None:
    """As Keras 2 writes the weights of the same network: H W C O, dense layers transposed, and flattened as H W C."""
    channels = 0
    with h5py.File(file, "w") as out:
        names = []
        for number, layer in enumerate(m for m in found.modules() if isinstance(m, nn.Conv2d | nn.Linear)):
            weight, name = layer.weight.detach(), f"layer_{number}"
            if weight.ndim == 4:
                channels, kernel = len(weight), weight.permute(2, 3, 1, 0)
            else:
                if channels:
                    side = round((weight.shape[1] / channels) ** 0.5)
                    weight = weight.unflatten(1, (channels, side, side)).permute(0, 2, 3, 1).flatten(1)
                channels, kernel = 0, weight.T
            group = out.create_group(name)
            group.attrs["weight_names"] = np.array([f"{name}/kernel:0", f"{name}/bias:0"], dtype="S")
            group.create_dataset(f"{name}/kernel:0", data=kernel.numpy())
            group.create_dataset(f"{name}/bias:0", data=layer.bias.detach().numpy())
            names.append(name)
        out.attrs["layer_names"] = np.array(names, dtype="S")


def to_torch(found: nn.Module, file: Path) -> None:
    torch.save({"state_dict": found.state_dict(), "epoch": 3}, file)


def to_other_names(found: nn.Module, file: Path) -> None:
    torch.save({f"net.{k}": tensor for k, tensor in enumerate(found.state_dict().values())}, file)


def to_safetensors(found: nn.Module, file: Path) -> None:
    save_file(found.state_dict(), file)


@pytest.mark.parametrize("name", ["digit-cnn", "digit-cnn-wide"])
@pytest.mark.parametrize(
    ("write", "end"), [(to_keras, "h5"), (to_torch, "pt"), (to_other_names, "pth"), (to_safetensors, "safetensors")]
)
def test_a_checkpoint_is_read_as_the_row_of_its_network(
    name: str, write: Callable[[nn.Module, Path], None], end: str, tmp_path: Path
) -> None:
    found, file = network(name), tmp_path / f"model.{end}"
    write(found, file)
    at = layout.of(found)
    read = checkpoint.row(str(file), at)
    assert torch.equal(read.weight_P, at.row(found.state_dict()))
    assert read.by_name == (write in (to_torch, to_safetensors))


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("unpickled",)


def test_nothing_is_unpickled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"a": Evil()}, tmp_path / "evil.pt")
    torch.save({"a": Evil()}, tmp_path / "evil.safetensors")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Evil(), protocol=2))
    for name in ("evil.pt", "plain.pt", "evil.safetensors"):
        with pytest.raises(ValueError, match=r"^[^\n]* holds no plain weights but a pickle[^\n]*$"):
            checkpoint.read(str(tmp_path / name))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("end", ["safetensors", "pt", "h5"])
def test_what_is_no_checkpoint_is_one_sentence(end: str, tmp_path: Path) -> None:
    file = tmp_path / f"broken.{end}"
    file.write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match=r"broken.* holds no plain weights"):
        checkpoint.read(str(file))


def test_another_network_and_another_kind_of_file_are_one_sentence(tmp_path: Path) -> None:
    at = layout.of(network("digit-cnn"))
    to_torch(network("digit-cnn-wide"), tmp_path / "wide.pt")
    with pytest.raises(ValueError, match=r"wide\.pt is another network"):
        checkpoint.row(str(tmp_path / "wide.pt"), at)
    (tmp_path / "model.onnx").write_bytes(b"")
    with pytest.raises(ValueError, match="is no checkpoint; give a file that ends in"):
        checkpoint.row(str(tmp_path / "model.onnx"), at)


@pytest.mark.parametrize("end", ["safetensors", "pt"])
@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda state: {**state, "extra.weight": torch.zeros(3)}, "'extra.weight' is none of body"),
        (lambda state: {k: t for k, t in state.items() if k != "head.bias"}, "The state dict has no 'head.bias'"),
        (lambda state: {k.replace("head.bias", "top.bias"): t for k, t in state.items()}, "'top.bias' is none of body"),
        (lambda state: {**state, "head.bias": torch.zeros(3)}, r"'head.bias' is \(3,\) in the state dict and \(10,\)"),
    ],
    ids=["more", "missing", "renamed", "shape"],
)
def test_a_tensor_that_does_not_fit_is_named(end: str, spoil: Spoil, says: str, tmp_path: Path) -> None:
    found, file = network("digit-cnn"), tmp_path / f"model.{end}"
    state = spoil({name: t.clone() for name, t in found.state_dict().items()})
    save_file(state, file) if end == "safetensors" else torch.save(state, file)
    with pytest.raises(ValueError, match=f"^[^\n]* is another network(: |, or has other names: ){says}[^\n]*$"):
        checkpoint.row(str(file), layout.of(found))


def test_safetensors_are_never_taken_in_their_order(tmp_path: Path) -> None:
    """The file keeps none: two layers of one shape could change places."""
    found, file = network("mlp"), tmp_path / "model.safetensors"
    save_file({f"net.{name}": t for name, t in found.state_dict().items()}, file)
    with pytest.raises(ValueError, match=r"has other names: 'net\."):
        checkpoint.row(str(file), layout.of(found))


def test_counts_in_a_checkpoint_are_no_weights(tmp_path: Path) -> None:
    found, file = network("cnn-bn"), tmp_path / "model.safetensors"
    state = {**found.state_dict(), "body.1.num_batches_tracked": torch.tensor(3)}
    save_file(state, file)
    at = layout.of(found)
    assert torch.equal(checkpoint.row(str(file), at).weight_P, at.row(found.state_dict()))


@pytest.mark.parametrize("held", [torch.zeros(3), [torch.zeros(3)], {"state_dict": None}, {"model": {"a": torch.zeros(3)}}])
def test_a_file_without_tensors_by_name_says_so(held: object, tmp_path: Path) -> None:
    torch.save(held, tmp_path / "model.pt")
    with pytest.raises(ValueError, match=r"^[^\n]*model\.pt holds no plain weights: no tensors by name at its top[^\n]*$"):
        checkpoint.read(str(tmp_path / "model.pt"))


def weights(seed: int) -> Tensor:
    found = network("digit-cnn", seed)
    return layout.of(found).row(found.state_dict())


def test_a_table_of_checkpoints_becomes_a_zoo(tmp_path: Path) -> None:
    for seed in range(3):
        to_keras(network("digit-cnn", seed), tmp_path / f"{seed}.h5")
    table = pd.DataFrame({"file": [f"{k}.h5" for k in range(3)], "level": [0.02, 0.03, 0.02]})
    out = str(tmp_path / "zoo")
    import_zoo(table, str(tmp_path), "digit-cnn", SHAPE, 10, out)
    zoo = store.Zoo(out)
    assert store.verify(out) == []
    assert zoo.index["level"].tolist() == [0.02, 0.03, 0.02]
    assert torch.equal(zoo.weights(zoo.index["id"].tolist())[2], weights(2))
    image = torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(0))
    assert torch.equal(zoo.network(zoo.index["id"][1])(image), network("digit-cnn", 1).eval()(image))


def test_the_same_weights_twice_and_a_table_without_files_are_refused(tmp_path: Path) -> None:
    to_torch(network("digit-cnn"), tmp_path / "a.pt")
    to_torch(network("digit-cnn"), tmp_path / "b.pt")
    with pytest.raises(ValueError, match=r"b\.pt has the weights of a\.pt"):
        import_zoo(pd.DataFrame({"file": ["a.pt", "b.pt"]}), str(tmp_path), "digit-cnn", SHAPE, 10, str(tmp_path / "zoo"))
    with pytest.raises(ValueError, match="needs a column `file`"):
        import_zoo(pd.DataFrame({"name": ["a.pt"]}), str(tmp_path), "digit-cnn", SHAPE, 10, str(tmp_path / "other"))
