"""Small cells for the engine's tests."""

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import torch

from biasray import cell, data
from biasray.bias.task import Task
from biasray.data.dataset import DataSet
from biasray.experiment import Experiment, Training, resolved

CPU = torch.device("cpu")
DIGITS: DataSet = data.load("digits")


def make(method: str, seed: int = 0, settings: dict[str, Any] | None = None, **training: Any) -> Experiment:
    given = Training(**{"epochs": 2, "batch": 64, **training})
    return resolved(Task(data="digits", agreement=0.9), given, DIGITS, method, settings or {}, "smoke", seed, CPU)


def folders(out: Path, cells: list[Experiment]) -> list[str]:
    return [str(out / f"{e.method}-{e.seed}") for e in cells]


def in_process(experiment: Experiment, folder: Path) -> pd.DataFrame:
    """What the cell predicts when it is run right here."""
    torch.set_num_threads(1)
    cell.run(experiment, DIGITS, str(folder), CPU)
    return cell.predictions(str(folder))


def probabilities(table: pd.DataFrame) -> np.ndarray:
    return table.filter(like="p_").to_numpy()


def kill_a_worker(called: str) -> bool:
    """Kill one of this process's Ray workers by its title; False where there is none yet."""
    for process in psutil.Process().children(recursive=True):
        try:
            title = " ".join(process.cmdline())
        except psutil.Error:
            continue
        if title.startswith(f"ray::{called}"):
            os.kill(process.pid, signal.SIGKILL)
            return True
    return False
