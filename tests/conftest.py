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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture
def shared() -> Path:
    folder = Path(__file__).parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip("the folder `shared` with research data is not beside the checkout")
    return folder


@pytest.fixture(scope="session")
def bucket() -> Iterator[str]:
    """The URI of an empty bucket of a real server that speaks S3."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "key")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "not-to-be-told")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")  # else credentials are asked for in vain
        boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="eu-west-1").create_bucket(
            Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        yield f"s3://bucket?endpoint_override=http://{host}:{port}&region=eu-west-1"
    server.stop()


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
