"""Connecting to Ray: the cluster that a job was submitted to, or a quiet local one."""

import logging
import os

# Read when Ray is imported: without it each local worker would build an environment of its own under `uv run`.
os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_DATA_DISABLE_PROGRESS_BARS", "1")

import ray


def connect() -> None:
    """Start or join Ray once in this process. Its own messages are silenced below errors."""
    if ray.is_initialized():
        return
    dashboard = None if "RAY_ADDRESS" in os.environ else False
    ray.init(include_dashboard=dashboard, log_to_driver=False, logging_level=logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
