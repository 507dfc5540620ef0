"""The 1,797 real handwritten digits inside scikit-learn (UCI ML hand-written digits; Alpaydin and Kaynak 1998)."""

from typing import final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from biasray import storage
from biasray.data.adapter import BuiltIn
from biasray.data.dataset import DataSet, Images

SIDE = 28


@final
class Digits(BuiltIn):
    """Scaled up from 8 x 8 to 28 x 28 grey pixels. Half train, a tenth validate and the rest test: it is a small set."""

    def load(self) -> DataSet:
        # Imported here: it takes seconds, which no other data set should cost.
        from sklearn.datasets import load_digits

        found = load_digits()
        grey = (found.images * 255 / 16).round().astype(np.uint8)
        large = np.stack([np.asarray(Image.fromarray(g).resize((SIDE, SIDE), Image.Resampling.BILINEAR)) for g in grey])
        image_NHWC: Images = large[..., None]
        hashes = [storage.checksum(g.tobytes()) for g in grey]
        share = np.array([int(h[:8], 16) / 16**8 for h in hashes])
        split = np.where(share < 0.4, "test", np.where(share < 0.5, "validation", "train"))
        examples = pd.DataFrame(
            {
                "id": [f"{i:04d}" for i in range(len(grey))],
                "split": split,
                "hash": hashes,
                "digit": found.target.astype(str),
            }
        )

        def images(rows_N: NDArray[np.int64]) -> Images:
            return image_NHWC[rows_N]

        checksum = storage.checksum(image_NHWC.tobytes() + examples.to_csv().encode())
        return DataSet("digits", examples, (1, SIDE, SIDE), "digit", "colour", checksum, images)
