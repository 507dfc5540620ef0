"""A zoo on disk: shards of a matrix of weights and a table of members, written whole, checksummed, without pickles.

    zoo.json                    what the zoo is
    plan.json                   what is trained together, frozen at the first start
    layouts/NETWORK.json        how a row of weights is a network
    shards/00000.safetensors    weights (M, P), float32
    shards/00000.parquet        a row a member
    shards/00000.json           checksums of the two, written last: the shard is done
    times/00000.json            how long it took, where
    index.parquet               all members
    manifest.json               checksums of all that determines what a reader finds

Axes: M member, P weight. Times and places stand outside what is checksummed, so that a zoo that was killed ends with
the manifest of one that was not.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, final

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from biasray import networks, storage
from biasray.networks import Network, Shape, layout
from biasray.networks.layout import Layout
from biasray.zoo.member import RESULTS
from biasray.zoo.plan import PLAN, Shard
from biasray.zoo.train import Trained

ZOO, INDEX, MANIFEST = "zoo.json", "index.parquet", "manifest.json"
KINDS = ("safetensors", "parquet")  # files of a shard


def shard_file(folder: str, number: int, kind: str) -> str:
    return storage.join(folder, "shards", f"{number:05d}.{kind}")


def layout_file(folder: str, network: str) -> str:
    return storage.join(folder, "layouts", layout_name(network))


def architecture(folder: str, network: str) -> tuple[str, Shape, int]:
    """Name, shape of the images and outputs of a network that the zoo has members of: what `networks.build` takes."""
    about = storage.read_json(layout_file(folder, network))
    return about["network"], tuple(about["shape"]), about["outputs"]


def layout_name(network: str) -> str:
    return f"{network.replace(':', '-')}.json"


def write_shard(folder: str, shard: Shard, trained: Sequence[Trained], made: dict[str, Any]) -> None:
    """Store the packs of a shard that was trained; `made` says how long it took, and where."""
    weight_MP = torch.cat([pack.weight_MP for pack in trained])
    finite_M = torch.cat([pack.finite_M for pack in trained]).tolist()
    loss_ME = torch.cat([pack.loss_ME for pack in trained]).tolist()
    figures = [found for pack in trained for found in pack.figures]
    rows = [
        {
            **member.describe(),
            **({name: value if finite else _nothing(value) for name, value in found.items()}),
            "loss": loss,
            "finite": finite,
            "packed": shard.packed,
            "width": shard.width,
            "results": RESULTS,
        }
        for member, found, loss, finite in zip(shard.members, figures, loss_ME, finite_M, strict=True)
    ]
    storage.write_json(storage.join(folder, "times", f"{shard.number:05d}.json"), made)
    write(folder, shard.number, weight_MP, pd.DataFrame(rows))


def write_layout(folder: str, network: str, shape: Shape, outputs: int) -> Layout:
    """Store how a row is a network of this name."""
    at = layout.of(networks.build(network, shape, outputs))
    about = {"network": network, "shape": shape, "outputs": outputs, "entries": at.json()}
    storage.write_json(layout_file(folder, network), about)
    return at


def write(folder: str, number: int, weight_MP: Tensor, table: pd.DataFrame) -> None:
    """Store a shard: weights and the table of its members, then the mark that it is done."""
    table = table.assign(shard=number, row=range(len(table)))
    content = {"safetensors": save({"weights": weight_MP.contiguous()}), "parquet": storage.parquet(table)}
    for kind, data in content.items():
        storage.write(shard_file(folder, number, kind), data)
    done = {"members": len(table), "files": {kind: storage.checksum(data) for kind, data in content.items()}}
    storage.write_json(shard_file(folder, number, "json"), done)


def read_shard(folder: str, number: int) -> tuple[pd.DataFrame, dict[str, str], dict[str, Any]]:
    """The members of a finished shard, the checksum of each of its files by kind, and how long it took, where it is known."""
    checksums: dict[str, str] = storage.read_json(shard_file(folder, number, "json"))["files"]
    times = storage.join(folder, "times", f"{number:05d}.json")
    made: dict[str, Any] = storage.read_json(times) if storage.exists(times) else {}
    return storage.read_table(shard_file(folder, number, "parquet")), checksums, made


def _nothing(value: Any) -> Any:
    return [np.nan] * len(value) if isinstance(value, list) else np.nan


def finish(folder: str, shards: int) -> pd.DataFrame:
    """Write layouts, index and manifest of a zoo all of whose shards are done; returns the index."""
    for program in _plan(folder)["programs"]:
        write_layout(folder, program["network"], tuple(program["shape"]), program["outputs"])
    index = pd.concat([storage.read_table(shard_file(folder, k, "parquet")) for k in range(shards)], ignore_index=True)
    data = storage.parquet(index)
    done = [storage.read_json(shard_file(folder, k, "json")) for k in range(shards)]
    files = {f"shards/{k:05d}.{kind}": checksum for k, each in enumerate(done) for kind, checksum in each["files"].items()}
    for network in index["network"].unique():
        files[f"layouts/{layout_name(network)}"] = storage.checksum(storage.read(layout_file(folder, network)))
    storage.write(storage.join(folder, INDEX), data)
    files |= {INDEX: storage.checksum(data), PLAN: storage.checksum(storage.read(storage.join(folder, PLAN)))}
    manifest = {"members": len(index), "files": files}
    storage.write_json(storage.join(folder, MANIFEST), {**manifest, "checksum": storage.fingerprint(manifest)})
    return index


class Problem(NamedTuple):
    shard: int | None
    sentence: str


def verify(folder: str) -> list[Problem]:
    """What is missing, damaged or there twice in a zoo, a sentence each."""
    plan = _plan(folder)
    problems, seen = list[Problem](), dict[str, int]()
    rows = dict[str, str]()
    for number, shard in enumerate(plan["shards"]):
        problem = broken(folder, number)
        if problem:
            problems.append(Problem(number, problem))
            continue
        table = storage.read_table(shard_file(folder, number, "parquet"))
        if table["id"].tolist() != shard["members"]:
            problems.append(Problem(number, f"Shard {number} of {folder} holds other members than were planned."))
        for name in table["id"]:
            if name in seen:
                problems.append(Problem(number, f"Member {name} of {folder} is in shard {seen[name]} and in {number}."))
            seen[name] = number
        weight_MP = load(storage.read(shard_file(folder, number, "safetensors")))["weights"]
        for name, finite, row_P in zip(table["id"], table["finite"], weight_MP, strict=True):
            hashed = storage.checksum(row_P.numpy().tobytes())
            if finite and hashed in rows:
                problems.append(Problem(number, f"Members {rows[hashed]} and {name} of {folder} have the same weights."))
            rows[hashed] = name
    if not problems:
        problems += _outside(folder)
    return problems


def broken(folder: str, number: int) -> str:
    """One sentence where a shard is missing or damaged, else nothing."""
    marker = shard_file(folder, number, "json")
    if not storage.exists(marker):
        return f"Shard {number} of {folder} is missing; run the command that made the zoo again."
    try:
        files = storage.read_json(marker)["files"]
        whole = set(files) == set(KINDS)
    except (ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        return f"{marker} is damaged; run the command that made the zoo again, which makes this shard anew."
    for kind, checksum in files.items():
        file = shard_file(folder, number, kind)
        if not storage.exists(file) or storage.checksum(storage.read(file)) != checksum:
            return f"{file} is damaged or missing; run the command that made the zoo again, which makes this shard anew."
    return ""


def _outside(folder: str) -> list[Problem]:
    """What is wrong with files that belong to no shard."""
    if not storage.exists(storage.join(folder, MANIFEST)):
        return [Problem(None, f"{folder} has no {MANIFEST}; run the command that made the zoo again.")]
    manifest, problems = storage.read_json(storage.join(folder, MANIFEST)), []
    if manifest.pop("checksum", "") != storage.fingerprint(manifest):
        problems.append(Problem(None, f"{folder}/{MANIFEST} is damaged; run the command that made the zoo again."))
    for name, checksum in manifest["files"].items():
        file = storage.join(folder, name)
        if not storage.exists(file) or storage.checksum(storage.read(file)) != checksum:
            problems.append(Problem(None, f"{file} is damaged or missing; run the command that made the zoo again."))
    return problems


def _plan(folder: str) -> dict[str, Any]:
    if not storage.exists(storage.join(folder, PLAN)):
        raise ValueError(f"{folder} holds no zoo: it has no {PLAN}; give the folder that `pipelines.zoo` made.")
    plan: dict[str, Any] = storage.read_json(storage.join(folder, PLAN))
    return plan


@final
class Zoo:
    """A finished zoo, read a shard at a time."""

    def __init__(self, folder: str) -> None:
        if not storage.exists(storage.join(folder, INDEX)):
            _plan(folder)
            raise ValueError(f"The zoo {folder} is not finished; run the command that made it again.")
        self.folder = folder
        self.index = storage.read_table(storage.join(folder, INDEX))
        self.about: dict[str, Any] = storage.read_json(storage.join(folder, ZOO))

    def layout(self, network: str) -> Layout:
        return layout.read(storage.read_json(layout_file(self.folder, network))["entries"])

    def weights(self, ids: Sequence[str]) -> Tensor:
        """(M, P) of these members, in this order; only their shards are read. They must be of one network.

        Raises ValueError for ids that are not in the zoo, for members of several networks, and for a damaged shard.
        """
        chosen = self._rows(ids)
        if len(several := chosen["network"].unique()) > 1:
            raise ValueError(f"These members are of several networks ({', '.join(several)}); ask for those of one.")
        out_MP = torch.empty(0)
        for number, mine in chosen.groupby("shard"):
            weight_MP = self._shard(int(number))
            if not len(out_MP):
                out_MP = weight_MP.new_empty(len(chosen), weight_MP.shape[1])
            out_MP[mine["place"].tolist()] = weight_MP[mine["row"].tolist()]
        return out_MP

    def state_dict(self, name: str) -> dict[str, Tensor]:
        """One member as a torch state dict."""
        return self.layout(self._rows([name])["network"].iloc[0]).state_dict(self.weights([name])[0])

    def network(self, name: str) -> Network:
        """One member as a torch module in eval mode."""
        network = networks.build(*architecture(self.folder, self._rows([name])["network"].iloc[0]))
        network.load_state_dict(self.state_dict(name), strict=False)  # a count of batches is no weight
        return network.eval()

    def parquet(self) -> bytes:
        """The index with a column `weights`, a list a member."""
        parts = []
        for _, mine in self.index.groupby("network", sort=False):
            parts.append(mine.assign(weights=list(self.weights(mine["id"].tolist()).numpy())))
        return storage.parquet(pd.concat(parts).sort_index())

    def _shard(self, number: int) -> Tensor:
        file = shard_file(self.folder, number, "safetensors")
        try:
            return load(storage.read(file))["weights"]
        except (SafetensorError, KeyError) as error:
            raise ValueError(
                f"{file} is damaged ({error}); `pipelines.zoo verify {self.folder}` finds all that are. A zoo that was made "
                "here is mended by the command that made it, an imported one is imported again."
            ) from error

    def _rows(self, ids: Sequence[str]) -> pd.DataFrame:
        by_id = self.index.set_index("id")
        if missing := [name for name in ids if name not in by_id.index]:
            raise ValueError(f"The zoo {self.folder} has no member {missing[0]}; see `pipelines.zoo list {self.folder}`.")
        return by_id.loc[list(ids)].assign(place=range(len(ids)))
