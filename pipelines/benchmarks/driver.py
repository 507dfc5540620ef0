"""What the driver of a zoo of 100,000 members takes: memory, and time for each, where members do nothing."""

import json
import os
from dataclasses import dataclass
from typing import Any

from biasray import storage
from biasray.engine.cluster import connect
from pipelines.benchmarks.zoo import orchestration
from pipelines.cli import about, run


@dataclass(frozen=True, kw_only=True)
class Config:
    """The driver's memory while a large zoo is made, some two minutes."""

    members: int = 100_000
    """That do nothing."""
    out: str = "pipelines/benchmarks/results/driver.json"
    """File of the results."""

    def __post_init__(self) -> None:
        if self.members < 1:
            raise ValueError(f"--members must be at least 1, not {self.members}.")


def main(config: Config) -> dict[str, Any]:
    connect()
    made = about([{"device": "cpu", "workers": os.cpu_count(), "threads": 1}])
    result = {"about": made, "orchestration": orchestration(config.members)}
    storage.write_json(config.out, result)
    print(json.dumps(result, indent=1))
    return result


if __name__ == "__main__":
    run(Config, main)
