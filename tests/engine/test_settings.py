"""What Ray is told before it is imported."""

import os
import subprocess
import sys

LOOK = (
    "import pipelines.benchmarks.scaling; from ray._private import ray_constants as c; print(c.RAY_ENABLE_UV_RUN_RUNTIME_ENV)"
)


def test_uv_run_builds_no_environment_for_each_worker_of_a_pipeline_that_imports_ray_first() -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    told = subprocess.run([sys.executable, "-c", LOOK], env=environment, capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["False"]
