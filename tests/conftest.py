import os
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

os.environ["RAY_AUTH_MODE"] = "disabled"
# Where Python is told to keep no bytecode, each of hundreds of processes compiles torch and Ray anew: most of its start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# Where torch sees a GPU it starts threads that tests which fork cannot have; those of a GPU ask for it.
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")


@pytest.fixture
def shared() -> Path:
    folder = Path(__file__).parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip("the folder `shared` with research data is not beside the checkout")
    return folder


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    """One real Ray for the session."""
    import ray

    start = partial(ray.init, address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    try:
        start()
    except Exception:  # a slow machine's second try finds in memory what the first has read from disk
        ray.shutdown()
        start()
    yield
    ray.shutdown()
