import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import biasray.engine  # noqa: F401  # sets what Ray reads when it is imported

os.environ["RAY_AUTH_MODE"] = "disabled"


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

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    yield
    ray.shutdown()
