"""What can this machine, or the cluster that it joins, do; and what is missing? One line each."""

import sys
from dataclasses import dataclass

from biasray.engine.doctor import Finding, examine
from pipelines.cli import run
from pipelines.place import refuse_relative


@dataclass(frozen=True, kw_only=True)
class Config:
    """Say what this machine can do, and what is missing, one line each; of a cluster (RAY_ADDRESS, or as a job) every machine.

    Ends with status 1 where something is missing. Nothing is left behind.
    """

    storage: str | None = None
    """A folder or URI that data and results are to lie in: every machine reads and writes there."""
    tracking: str | None = None
    """Address of an MLflow server, to see whether it answers."""


def main(config: Config) -> list[Finding]:
    if config.storage is not None:
        refuse_relative("--storage", config.storage)
    found = []
    for finding in examine(config.storage, config.tracking):
        print(f"{finding.state:8}{finding.about:15}{finding.said}", flush=True)
        found.append(finding)
    missing = [finding.about for finding in found if finding.state == "missing"]
    if missing:
        print(f"\nMissing: {', '.join(missing)}.")
        sys.exit(1)
    print("\nNothing is missing.")
    return found


if __name__ == "__main__":
    run(Config, main)
