"""Kaggle's gender classification data set (Cash): folders of faces, with nothing known of them but the gender."""

from typing import final

import pandas as pd

from biasray import storage
from biasray.data.adapter import Adapter, Index

SPLITS, GENDERS = {"Training": "trainval", "Validation": "test"}, {"female": "Female", "male": "Male"}


@final
class KaggleGender(Adapter):
    """`Training/female`, `Training/male` and the same of `Validation`, which is the test split."""

    target, bias, size = "gender", "", 64

    def index(self, source: str) -> Index:
        rows = [
            (f"{folder}/{inside}/{name}", gender, split)
            for folder, split in SPLITS.items()
            for inside, gender in GENDERS.items()
            for name in storage.names(storage.join(source, folder, inside))
            if name.lower().endswith((".jpg", ".jpeg", ".png"))
        ]
        table = pd.DataFrame(rows, columns=["id", "gender", "split"])
        if len(table[["gender", "split"]].drop_duplicates()) < 4:
            raise ValueError(
                f"{source} is not Kaggle's gender data set: it needs images in {' and '.join(SPLITS)}, "
                f"each with folders {' and '.join(GENDERS)}; give the folder that holds these."
            )
        return Index(table, [], [])
