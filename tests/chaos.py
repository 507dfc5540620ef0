"""Workers, machines and drivers are killed at random moments: `python -m tests.chaos FOLDER --kills 50 --seed 0`.

Import, a comparison whose trainings two workers share, a zoo, and the study of an audit run on a cluster of two machines
(`tests.cluster`) by their own command lines. What was killed is run again by the same line; a machine that was taken away
comes back. All must end with the result of an undisturbed one. FOLDER/chaos.json has the table.
"""

import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np
import pandas as pd
import psutil
import tyro
from PIL import Image

from biasray.storage import checksum
from biasray.zoo import plan, store
from pipelines.cli import about
from tests.cluster import Head, Node, environment, head, worker

ROOT = Path(__file__).parents[1]
SECONDS = (1.0, 10.0)  # from a command's start to the first kill, and from one kill to the next
KINDS = ("worker", "machine", "driver")  # as often as each other
MACHINES = 2


@dataclass(frozen=True, kw_only=True)
class Config:
    folder: tyro.conf.Positional[Path]
    kills: int = 50
    seed: int = 0


@final
@dataclass(frozen=True)
class Trial:
    """A command that is killed, and what must come out of it."""

    name: str
    words: Callable[[Path, Path], list[str]]  # of the command line: of the folder of inputs, and of its results
    result: Callable[[Path], Any]
    planned: tuple[str, ...] = ()  # files of the undisturbed run that the others start with


def prepare(inputs: Path) -> None:
    """Pictures of noise, and the zoo that is studied."""
    rng = np.random.default_rng(0)
    (inputs / "pictures").mkdir(parents=True)
    rows = []
    for number in range(600):
        name = f"{number:04d}.jpg"
        Image.fromarray(rng.integers(0, 256, (256, 256, 3), np.uint8)).save(inputs / "pictures" / name)
        rows.append({"file": name, "kind": "ab"[number % 2], "tint": "xy"[number // 2 % 2]})
    pd.DataFrame(rows).to_csv(inputs / "labels.csv", index=False)


def imported(inputs: Path, out: Path) -> list[str]:
    said = ["--source", str(inputs / "pictures"), "--labels", str(inputs / "labels.csv"), "--target", "kind", "--bias", "tint"]
    return ["pipelines.import_data", "folder", *said, "--size", "384", "--out", str(out)]


def compared(inputs: Path, out: Path) -> list[str]:
    said = ["--data", "digits", "--agreement", "0.9", "--methods", "erm", "--seeds", "1", "--epochs", "60"]
    return ["pipelines.debias", *said, "--workers", "2", "--tracking", "none", "--out", str(out)]


def made(inputs: Path, out: Path) -> list[str]:
    said = ["--members", "32", "--images", "500", "--epochs", "8", "--tracking", "none", "--out", str(out)]
    return ["pipelines.zoo", "digits", *said]


def references(inputs: Path, out: Path) -> list[str]:
    said = ["--members", "22", "--networks", "cnn", "mlp", "--images", "150", "--epochs", "2", "--tracking", "none"]
    return ["pipelines.zoo", "reference", *said, "--out", str(out)]


def studied(inputs: Path, out: Path) -> list[str]:
    faces = ["--private", "drawn-faces", "--probes", "drawn-faces", "--candidates", "100", "--budgets", "10", "20", "40"]
    kept = ["--answers", str(out.with_name("answers")), "--tracking", "none", "--out", str(out)]
    return ["pipelines.audit", "study", "--references", str(inputs / "zoo"), *faces, *kept]


def shards(out: Path) -> Any:
    manifest = json.loads((out / "manifest.json").read_text())
    del manifest["about"]
    there = [file for file in (out / "shards").iterdir() if not file.name.startswith(".")]  # unfinished, of a killed writer
    return manifest, {file.name: checksum(file.read_bytes()) for file in there}


def rows(out: Path) -> Any:
    """Every figure but the seconds and the memory of what was run."""
    found = json.loads((out / "results.json").read_text())["rows"]
    kept = [row for row in found if row.get("metric") not in ("seconds", "memory")]
    return [{k: v for k, v in row.items() if k not in ("seconds", "memory")} for row in kept]


def zoo(out: Path) -> Any:
    assert store.verify(str(out)) == []
    return [(out / name).read_bytes() for name in (store.MANIFEST, store.INDEX)]


TRIALS = (
    Trial("import", imported, shards),
    Trial("debias", compared, rows),
    Trial("zoo", made, zoo, (plan.PLAN, store.ZOO)),
    Trial("audit", studied, rows),
)


@final
@dataclass
class Machines:
    """Those of the cluster, of which some are killed and come back."""

    at: Head
    nodes: list[Node] = field(default_factory=list)

    def fill(self) -> None:
        while len(self.nodes) < MACHINES:
            self.nodes.append(worker(self.at))

    def kill(self, kind: str, driver: subprocess.Popen[str]) -> bool:
        """False where there is nothing of this kind to kill."""
        if kind == "driver":
            driver.kill()
            return True
        if kind == "machine":
            self.nodes.pop(random.randrange(len(self.nodes))).kill()
            return True
        at_work = [one for node in self.nodes for one in node.children() if _works(one)]
        if not at_work:
            return False
        random.choice(at_work).kill()
        return True


def _works(process: psutil.Process) -> bool:
    """A Ray worker that does something, which it says by its title."""
    with suppress(psutil.Error):
        title = " ".join(process.cmdline())
        return title.startswith("ray::") and "IDLE" not in title and "Agent" not in title
    return False


def run(words: Sequence[str], at: Head, log: Path) -> subprocess.Popen[str]:
    """Start a command as a driver that joins the cluster."""
    with log.open("a") as file:
        return subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=ROOT,
            env={**environment(), "RAY_ADDRESS": at.ray},
            stdout=file,
            stderr=subprocess.STDOUT,
            text=True,
        )


def undisturbed(trial: Trial, inputs: Path, out: Path, at: Head) -> Any:
    out.parent.mkdir(parents=True, exist_ok=True)
    log = out.with_suffix(".log")
    assert run(trial.words(inputs, out), at, log).wait() == 0, log.read_text()
    return trial.result(out)


def disturbed(trial: Trial, inputs: Path, folder: Path, to_come: list[str], machines: Machines) -> dict[str, Any]:
    """Run a command until all of these were killed, each time to its end; what came of it."""
    alone = folder / "undisturbed" / trial.name
    expected = undisturbed(trial, inputs, alone, machines.at)
    killed, runs, again, most = list[str](), 0, 0, 3 * len(to_come)
    random.shuffle(to_come)
    while to_come:
        runs += 1
        out = folder / f"killed-{runs}" / trial.name  # called as the undisturbed one: an import's name is its folder's
        (out if trial.planned else out.parent).mkdir(parents=True, exist_ok=True)
        for name in trial.planned:
            shutil.copy(alone / name, out / name)
        log = out.with_suffix(".log")
        driver = run(trial.words(inputs, out), machines.at, log)
        while driver.poll() is None or driver.returncode:
            if driver.poll() is not None:
                assert driver.returncode == -9 or "Traceback" not in log.read_text(), log.read_text()
                again += 1
                assert again < most, f"{trial.name} does not end:\n{log.read_text()}"
                driver = run(trial.words(inputs, out), machines.at, log)
            machines.fill()
            with suppress(subprocess.TimeoutExpired):
                driver.wait(random.uniform(*SECONDS))
            if driver.poll() is None and to_come and machines.kill(to_come[-1], driver):
                killed.append(to_come.pop())
                print(f"{trial.name}: kill {len(killed)}, a {killed[-1]}", flush=True)
                if killed[-1] == "driver":
                    driver.wait()
        assert trial.result(out) == expected, f"{out} ended otherwise than {alone}"
    return {"what": trial.name, **{kind: killed.count(kind) for kind in KINDS}, "runs": runs, "started again": again}


def chaos(folder: Path, kills: int, seed: int) -> list[dict[str, Any]]:
    """The table of kills; raises AssertionError for a run that ends with another result, or not at all."""
    random.seed(seed)
    inputs = folder / "inputs"
    prepare(inputs)
    table = []
    with head() as at:
        machines = Machines(at)
        try:
            machines.fill()
            undisturbed(Trial("references", references, zoo), inputs, inputs / "zoo", at)
            for number, trial in enumerate(TRIALS):
                share = range(kills * number // len(TRIALS), kills * (number + 1) // len(TRIALS))
                to_come = [KINDS[kill % len(KINDS)] for kill in share]
                table.append(disturbed(trial, inputs, folder, to_come, machines))
                print(table[-1], flush=True)
        finally:
            for node in machines.nodes:
                node.kill()
    return table


def main(config: Config) -> None:
    began = time.monotonic()
    table = chaos(config.folder, config.kills, config.seed)
    told = {"about": about(), "seed": config.seed, "minutes": round((time.monotonic() - began) / 60, 1), "table": table}
    (config.folder / "chaos.json").write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Config))
