import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path

import pytest
import ray

from biasray.engine import doctor
from biasray.engine.machine import machine


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    """Tells its version at /version, as MLflow does."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/version" else 404)
            self.end_headers()
            self.wfile.write(self.server.said.encode())  # type: ignore[attr-defined]

        def log_message(self, *words: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.said = version("mlflow")  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def address(server: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_port}"


@pytest.mark.usefixtures("local_ray")
def test_a_machine_that_can_do_all_lacks_nothing_and_is_left_as_it_was(tmp_path: Path, server: ThreadingHTTPServer) -> None:
    found = {finding.about: finding for finding in doctor.examine(str(tmp_path), address(server))}
    assert {"python", "torchvision", "processor", "gpu", "memory", "disk", "ray", "storage", "mlflow"} <= set(found)
    assert not [finding for finding in found.values() if finding.state == "missing"]
    assert "2 CPUs" in found["ray"].said
    assert "1 of 1 machines" in found["storage"].said
    assert list(tmp_path.iterdir()) == []
    assert all("\n" not in finding.said for finding in found.values())


@pytest.mark.usefixtures("local_ray")
def test_a_place_that_the_driver_or_a_machine_cannot_use_is_missing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    finding = doctor.of_storage(str(tmp_path / "file"), [])
    assert (finding.state, "Cannot write" in finding.said) == ("missing", True)
    alone = doctor.of_storage(str(tmp_path), [ray.nodes()[0]["NodeID"], "0" * 56])
    assert (alone.state, "1 of 2 machines cannot use" in alone.said) == ("missing", True)


@pytest.mark.usefixtures("local_ray")
def test_machines_with_other_packages_than_the_driver_are_missing() -> None:
    here, nodes = machine(), ray.nodes()
    assert [finding.state for finding in doctor.of_cluster(here, nodes)] == ["ok"]
    for other in (here._replace(python="3.9.1"), here._replace(packages={**here.packages, "torch": "1.0"})):
        (finding,) = doctor.of_cluster(other, nodes)
        assert finding.state == "missing"
        assert finding.said.startswith(f"{here.name} has ")
        assert "this one 3.9.1" in finding.said or "this one 1.0" in finding.said
    (lost,) = doctor.of_cluster(here, [{**nodes[0], "NodeID": "0" * 56}])
    assert (lost.state, "1 of 1 start no process" in lost.said) == ("missing", True)


def test_what_a_machine_lacks_is_noted() -> None:
    poor = machine()._replace(bf16=False, gpus=(), shared=0, disk=10**9, files=1024)
    notes = [finding.about for finding in doctor.of_machine(poor) if finding.state == "note"]
    assert notes == ["processor", "gpu", "shared memory", "disk", "open files"]


def test_mlflow_that_does_not_answer_or_is_another_one_is_told_of(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    here = version("mlflow")
    assert doctor.of_tracking(address(server), here).state == "ok"
    server.said = "1.30.0"  # type: ignore[attr-defined]
    assert doctor.of_tracking(address(server), here).state == "note"
    assert doctor.of_tracking("http://127.0.0.1:9", here).state == "missing"
    assert doctor.of_tracking("mlflow", here).state == "missing"
    assert doctor.of_tracking(f"sqlite:///{tmp_path}/new.db", here).state == "ok"
    assert doctor.of_tracking("sqlite:////proc/none/new.db", here).state == "missing"
