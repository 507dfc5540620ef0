"""Models as points in a plane. Axes: M model, P weight."""

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from torch import Tensor

COMPONENTS = 50  # of the weights, from which distances are taken
FEWEST = 10  # models


def plane(weight_MP: Tensor, seed: int) -> NDArray[np.float64] | None:
    """(M, 2) t-SNE of the weights (van der Maaten and Hinton 2008); None for a handful of models."""
    if len(weight_MP) < FEWEST:
        return None
    components = min(COMPONENTS, len(weight_MP) - 1, weight_MP.shape[1])
    near_MF = PCA(components, svd_solver="randomized", random_state=seed).fit_transform(weight_MP.numpy())
    perplexity = min(30.0, (len(weight_MP) - 1) / 3)
    return np.asarray(TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(near_MF), np.float64)
