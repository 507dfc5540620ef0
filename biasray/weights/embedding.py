"""Models as points in a plane. Axes: M model, P weight."""

import importlib
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from torch import Tensor

Plane = Literal["t-SNE", "UMAP"]  # van der Maaten and Hinton 2008; McInnes, Healy and Melville 2018
COMPONENTS = 50  # of the weights, from which distances are taken
FEWEST = 10  # models


def check(way: Plane) -> None:
    """Raises ValueError where UMAP is not installed."""
    if way == "UMAP":
        _umap()


def plane(weight_MP: Tensor, seed: int, way: Plane = "t-SNE") -> NDArray[np.float64] | None:
    """(M, 2) places of models by their weights; None for a handful of models."""
    if len(weight_MP) < FEWEST:
        return None
    components = min(COMPONENTS, len(weight_MP) - 1, weight_MP.shape[1])
    near_MF = PCA(components, svd_solver="randomized", random_state=seed).fit_transform(weight_MP.numpy())
    if way == "UMAP":
        made = _umap().UMAP(n_neighbors=min(15, len(weight_MP) - 1), random_state=seed, n_jobs=1)
    else:
        made = TSNE(perplexity=min(30.0, (len(weight_MP) - 1) / 3), init="pca", random_state=seed)
    return np.asarray(made.fit_transform(near_MF), np.float64)


def _umap() -> Any:
    try:
        return importlib.import_module("umap")
    except ImportError as error:
        raise ValueError("--plane UMAP needs umap-learn, an extra of this project: uv sync --extra umap.") from error
