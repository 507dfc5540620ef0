"""What is sent to a cluster, and the files that describe one."""

import logging
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import ray
import yaml

from pipelines import debias
from pipelines.cli import parse
from tests.kuberay import RAY_JOB

ROOT = Path(__file__).parents[1]
SECRETS = (".env", ".env.production", "cluster.pem", "id.key", "aws-credentials.csv", "auth_token", ".aws/config", ".ssh/id")
DATA = ("data/mnist/manifest.json", "runs/mine/results.json", "mlflow.db", "mlruns/0/meta.yaml")


@pytest.fixture
def aws() -> dict[str, Any]:
    """cluster.yaml as Ray reads it, with what it fills in by itself."""
    from ray.autoscaler._private.util import prepare_config, validate_config

    written = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    assert "min_workers" not in written
    config: dict[str, Any] = prepare_config(written)
    validate_config(config)
    return config


@pytest.fixture
def job() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "pipelines/rayjob.yaml").read_text())
    return found


def test_a_cluster_lets_in_who_has_the_token_and_shows_its_dashboard_to_itself_alone(aws: dict[str, Any]) -> None:
    assert "-e RAY_AUTH_MODE=token" in aws["docker"]["run_options"]
    assert aws["file_mounts"]["/home/ray/.ray/auth_token"].endswith("/.ray/auth_token")
    (start,) = [line for line in aws["head_start_ray_commands"] if "ray start" in line]
    assert "--dashboard-host=127.0.0.1" in start
    assert "--autoscaling-config" in start


def test_drivers_alone_are_on_the_head_and_spot_machines_start_from_none(aws: dict[str, Any]) -> None:
    head, *workers = (aws["available_node_types"][name] for name in ("head", "cpu", "gpu"))
    assert head["resources"] == {"CPU": 0}
    assert "InstanceMarketOptions" not in head["node_config"]
    for worker in workers:
        assert worker["min_workers"] == 0
        assert worker["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}


def test_every_machine_may_reach_the_bucket_without_a_key(aws: dict[str, Any]) -> None:
    assert all("IamInstanceProfile" in kind["node_config"] for kind in aws["available_node_types"].values())
    assert "aws_secret" not in (ROOT / "cluster.yaml").read_text().lower()


def test_all_images_hold_this_ray(aws: dict[str, Any]) -> None:
    images = [aws["docker"]["image"], aws["available_node_types"]["gpu"]["docker"]["worker_image"]]
    images += [line.split()[1] for line in (ROOT / "Dockerfile").read_text().splitlines() if line.startswith("FROM")]
    assert all(image.startswith(f"rayproject/ray:{ray.__version__}-py311-") for image in images)


def test_the_kubernetes_job_is_one_by_its_schema(job: dict[str, Any]) -> None:
    assert list(jsonschema.Draft202012Validator(RAY_JOB).iter_errors(job)) == []
    cluster = job["spec"]["rayClusterSpec"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, **group["template"]}
        assert kubernetes_validate.validate(pod, "1.37.0", strict=True) == "1.37"


def test_the_kubernetes_job_runs_this_ray_behind_a_token_and_a_command_that_there_is(job: dict[str, Any]) -> None:
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster["rayVersion"] == ray.__version__
    assert cluster["authOptions"] == {"mode": "token"}
    assert cluster["headGroupSpec"]["rayStartParams"] == {"num-cpus": "0"}
    assert all(group["minReplicas"] == 0 for group in cluster["workerGroupSpecs"])
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        (container,) = group["template"]["spec"]["containers"]
        assert {"name": "MLFLOW_TRACKING_URI", "value": "http://mlflow:5000"} in container["env"]
    python, module, name, *words = job["spec"]["entrypoint"].split()
    assert (python, module, name) == ("python", "-m", "pipelines.debias")
    assert parse(debias.Config, words).task.data.startswith("s3://")


def test_a_job_takes_the_code_along_and_neither_data_nor_secrets(tmp_path: Path) -> None:
    from ray._private.runtime_env.packaging import create_package

    folder = tmp_path / "checkout"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True)
    shutil.copy(ROOT / ".rayignore", folder / ".rayignore")
    for name in (*SECRETS, *DATA):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("secret")
    create_package(str(folder), tmp_path / "sent.zip", include_gitignore=True, logger=logging.getLogger("test"))
    sent = set(zipfile.ZipFile(tmp_path / "sent.zip").namelist())
    assert not sent & {*SECRETS, *DATA}
    mine = {str(file.relative_to(folder)) for top in ("biasray", "pipelines") for file in (folder / top).rglob("*.py")}
    assert mine <= sent
