"""Where the records of a run go."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from biasray import storage
from biasray.engine.cluster import submitted

if TYPE_CHECKING:
    from biasray.engine.track import Tracker


@dataclass(frozen=True, kw_only=True)
class Tracked:
    """Options of whatever leaves records."""

    tracking: str | None = None
    """MLflow: sqlite:///FILE, http://HOST:PORT, or none. Default: MLFLOW_TRACKING_URI, else sqlite:///mlflow.db."""


def start(tracking: str | None, name: str, fingerprint: str, parameters: Mapping[str, Any]) -> "Tracker | None":
    """The records of a run in MLflow; None where they are not wanted, or a submitted job names no server.

    Raises ValueError where MLflow cannot be used.
    """
    uri = tracking or os.environ.get("MLFLOW_TRACKING_URI") or (None if submitted() else "sqlite:///mlflow.db")
    if uri is None or uri == "none":
        return None
    storage.refuse_keys(uri)
    if submitted() and uri.startswith("sqlite:///") and not uri.startswith("sqlite:////"):
        raise ValueError(
            f"--tracking {uri}: a submitted job runs in a temporary copy of its folder; name a server, or a whole path."
        )
    from biasray.engine.track import Tracker  # imports MLflow, which takes seconds

    return Tracker(uri, name, fingerprint, parameters)


def metric(*parts: str) -> str:
    """The parts as a name that MLflow takes for a metric; empty ones are left out."""
    return "/".join(re.sub(r"[^\w. :-]", "", part).strip() for part in parts if part)
