import numpy as np
import pandas as pd


def table(have: list[list[int]], seed: int = 0) -> pd.DataFrame:
    """Examples with so many of each (target, bias), shuffled."""
    rows = [(t, b) for t, line in enumerate(have) for b, n in enumerate(line) for _ in range(n)]
    shuffled = np.random.default_rng(seed).permutation(rows)
    return pd.DataFrame({"id": [f"{i:04d}" for i in range(len(rows))], "target": shuffled[:, 0], "bias": shuffled[:, 1]})
