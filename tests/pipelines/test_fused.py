"""The benchmark of one device, which machines without Ray run too."""

import subprocess
import sys
from pathlib import Path

from biasray import storage

ROOT = Path(__file__).parents[2]
RUN = """
import sys
sys.modules["ray"] = sys.modules["mlflow"] = None
from pipelines.benchmarks import fused
fused.main(fused.Config(members=(1, 2), batch=8, steps=1, out=sys.argv[1]))
"""


def test_it_measures_every_way_without_ray(tmp_path: Path) -> None:
    out = str(tmp_path / "fused.json")
    subprocess.run([sys.executable, "-c", RUN, out], cwd=ROOT, check=True)
    rows = storage.read_json(out)["rows"]
    assert {(row["way"], row["members"]) for row in rows} == {
        ("bare loop", 1), ("single", 1), ("vmap", 1), ("vmap", 2), ("grouped", 2), ("batched", 2),
    }  # fmt: skip
    assert all(0 < row["of the matrix rate"] < 1 and row["model-samples a second"] > 0 for row in rows)
