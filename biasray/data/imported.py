"""Reading an imported data set: its manifest and its shards."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biasray import storage
from biasray.data.dataset import DataSet, Images
from biasray.data.importing import images_of, labels, read_shard

MANIFEST = "manifest.json"


def open_imported(folder: str) -> DataSet:
    """The data set in a folder or at a URI. Reads the labels now, the images when they are asked for."""
    manifest = storage.read_json(storage.join(folder, MANIFEST))
    table = labels(folder, [shard["file"] for shard in manifest["shards"]])
    aside = {file for file, _ in manifest["duplicates"]}
    kept = table[~table["id"].isin(aside)].sort_values("id")
    return DataSet(
        name=manifest["name"],
        examples=kept.reset_index(drop=True),
        shape=tuple(manifest["shape"]),
        target=manifest["target"],
        bias=manifest["bias"],
        checksum=manifest["checksum"],
        set_aside=tuple((file, reason) for file, reason in [*manifest["set_aside"], *manifest["duplicates"]]),
        reading=np.argsort(kept.index.to_numpy()),
        images=partial(_images, folder, manifest, kept.index.to_numpy()),
    )


def _images(folder: str, manifest: dict[str, Any], stored_N: NDArray[np.int64], rows_N: NDArray[np.int64]) -> Images:
    """Images of these examples; `stored_N` is where each example of the data set stands among all shards' rows."""
    c, h, w = manifest["shape"]
    wanted = stored_N[rows_N]
    out, first = np.empty((len(rows_N), h, w, c), np.uint8), 0
    for shard in manifest["shards"]:
        here = (wanted >= first) & (wanted < first + shard["rows"])
        if here.any():
            out[here] = images_of(read_shard(folder, shard["file"], images=True), (c, h, w))[wanted[here] - first]
        first += shard["rows"]
    return out
