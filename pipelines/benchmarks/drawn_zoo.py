"""A zoo whose weights are drawn, for benchmarks of what reads it. Axes: M member, P weight."""

import pandas as pd
import torch

from biasray import storage
from biasray.networks import Shape
from biasray.random import generator
from biasray.zoo import plan, store


def draw(folder: str, network: str, shape: Shape, outputs: int, about: pd.DataFrame, each: int) -> None:
    """Store a member for each row of `about`, with so many in a shard; where it has a level, weights grow with it."""
    at = store.write_layout(folder, network, shape, outputs)
    drawn, shards = generator("drawn zoo"), []
    named = about.assign(id=[f"{k:012x}" for k in range(len(about))], network=network, finite=True)
    for number, start in enumerate(range(0, len(named), each)):
        table = named.iloc[start : start + each]
        weight_MP = torch.randn(len(table), at.size, generator=drawn) / 20
        if "level" in table:
            weight_MP *= 1 + torch.tensor(table["level"].to_numpy())[:, None] / 100
        store.write(folder, number, weight_MP, table)
        shards.append({"members": table["id"].tolist()})
    program = {"network": network, "shape": shape, "outputs": outputs}
    storage.write_json(storage.join(folder, plan.PLAN), {"programs": [program], "shards": shards})
    storage.write_json(storage.join(folder, store.ZOO), {"kind": "drawn"})
    store.finish(folder, len(shards))
