"""Models of others as a zoo: a table of checkpoints becomes shards, index and manifest."""

import pandas as pd
import torch
from torch import Tensor

from biasray import networks, storage
from biasray.networks import Shape, layout
from biasray.zoo import checkpoint, plan, store
from biasray.zoo.stacked import sketch

EACH = 500  # members in a shard


def import_zoo(table: pd.DataFrame, source: str, network: str, shape: Shape, outputs: int, out: str) -> pd.DataFrame:
    """Import the checkpoints that the column `file` names, below the folder `source`; returns the index.

    All other columns are kept; `id` is the checksum of a member's weights. Raises ValueError for a table without the
    column, a file that is no such network, and two files with the same weights.
    """
    if "file" not in table or table.empty:
        raise ValueError("The table of checkpoints needs a column `file` and a row for each; give their names in it.")
    networks.check(network)
    if storage.names(out):
        raise ValueError(f"{out} is not empty; give another --out.")
    at = layout.of(sketch(network, shape, outputs))
    shards, seen = list[dict[str, object]](), dict[str, str]()
    for number, start in enumerate(range(0, len(table), EACH)):
        mine, rows = table.iloc[start : start + EACH], list[Tensor]()
        for file in mine["file"]:
            rows.append(checkpoint.row(storage.join(source, str(file)), at).weight_P)
            hashed = storage.checksum(rows[-1].numpy().tobytes())[:12]
            if hashed in seen:
                raise ValueError(f"{file} has the weights of {seen[hashed]}; name each model once.")
            seen[hashed] = str(file)
        weight_MP = torch.stack(rows)
        ids = list(seen)[start:]
        mine = mine.assign(id=ids, network=network, finite=weight_MP.isfinite().all(1).numpy())
        store.write(out, number, weight_MP, mine)
        shards.append({"members": ids})
    program = {"network": network, "shape": shape, "outputs": outputs}
    storage.write_json(storage.join(out, plan.PLAN), {"programs": [program], "shards": shards})
    storage.write_json(storage.join(out, store.ZOO), {"kind": "imported", "network": network, "source": source})
    return store.finish(out, len(shards))
