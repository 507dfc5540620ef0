"""Waterbirds (Sagawa, Koh, Hashimoto, Liang 2020): birds of land or water, cut out and put before either background.

metadata.csv with img_filename, y (1 waterbird), split (0 training, 1 validation, 2 test) and place (1 water), and the images in
folders beside it. Of the training images 95 % have their bird's own background.
"""

from typing import final

from biasray import storage
from biasray.data.adapter import Adapter, Index
from biasray.data.labelling import beside, read_csv, refuse_twice

_COLUMNS = {
    "y": {"0": "landbird", "1": "waterbird"},
    "place": {"0": "land", "1": "water"},
    "split": {"0": "train", "1": "validation", "2": "test"},
}


@final
class Waterbirds(Adapter):
    target, bias, size = "bird", "place", 128

    def index(self, source: str) -> Index:
        file = storage.join(source, "metadata.csv")
        if not storage.exists(file):
            raise ValueError(f"{source} is not Waterbirds: it holds no metadata.csv; give the folder of that file.")
        table = read_csv(file)
        absent = [name for name in ("img_filename", *_COLUMNS) if name not in table]
        if absent:
            raise ValueError(f"{file} has no column {', '.join(absent)}; download it again.")
        for name, names in _COLUMNS.items():
            odd_N = ~table[name].isin(names)
            if odd_N.any():
                raise ValueError(f"{file} has {name} {table[name][odd_N].iloc[0]}, which is none of {', '.join(names)}.")
            table[name] = table[name].map(names)
        table = table.rename(columns={"img_filename": "file", "y": "bird"})[["file", "bird", "place", "split"]]
        refuse_twice(table["file"], file)
        rows, missing = beside(table, source)
        return Index(rows.rename(columns={"file": "id"}), missing, [])
