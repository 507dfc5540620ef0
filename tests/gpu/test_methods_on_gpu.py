"""A GPU trains what a CPU trains, by every method. `CUDA_VISIBLE_DEVICES=0 python -m pytest tests/gpu`, which needs no Ray."""

from pathlib import Path

import pytest
import torch

from biasray import methods
from tests.training import Case, distance, run, whole

GPU = torch.device("cuda")
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU, or CUDA_VISIBLE_DEVICES hides it")


@pytest.mark.parametrize("name", methods.found())
@pytest.mark.parametrize("network", ["cnn", "cnn-bn"])
def test_every_method_ends_where_it_ends_on_the_cpu(name: str, network: str, tmp_path: Path) -> None:
    case = Case(name, network, precision="float64")
    assert distance(run(case, tmp_path, device=GPU), whole(case)) < 1e-8


@pytest.mark.parametrize("name", methods.found())
def test_every_method_stays_finite_in_bf16(name: str, tmp_path: Path) -> None:
    state = run(Case(name, precision="bf16"), tmp_path, device=GPU).state
    assert all(value.isfinite().all() for value in state.values())
