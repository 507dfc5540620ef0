"""Models in a plane."""

import sys

import numpy as np
import pytest
import torch

from biasray.weights import embedding


def test_models_that_are_alike_lie_together_and_a_handful_has_no_plane() -> None:
    drawn = torch.Generator().manual_seed(0)
    middle_KP = torch.randn(2, 300, generator=drawn)
    kind_M = np.arange(40) % 2
    weight_MP = middle_KP[kind_M] + 0.1 * torch.randn(40, 300, generator=drawn)
    place_M2 = embedding.plane(weight_MP, 0)
    assert place_M2 is not None
    assert embedding.plane(weight_MP[:9], 0) is None
    apart_MM = np.linalg.norm(place_M2[:, None] - place_M2, axis=2) + 1e9 * np.eye(40)
    assert (kind_M[apart_MM.argmin(1)] == kind_M).all()


def test_umap_without_its_extra_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(ValueError, match="uv sync --extra umap"):
        embedding.check("UMAP")
    embedding.check("t-SNE")
