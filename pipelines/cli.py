"""From a typed Config to a command: flags, help, and one sentence for bad input."""

import os
import platform
import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from importlib.metadata import distributions
from typing import Any, TypeVar

import tyro

from biasray import storage

C = TypeVar("C")


def run(config: type[C], main: Callable[[C], Any]) -> None:
    """Parse the command line into a Config and run; a ValueError ends with its sentence and exit status 2."""
    given = parse(config, sys.argv[1:])
    try:
        for word in sys.argv[1:]:  # the command line itself is kept with the results
            storage.refuse_keys(re.sub(r"^--[\w-]+=", "", word))
        main(given)
    except ValueError as error:
        print(f"\n{error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on from here.", file=sys.stderr)
        sys.exit(130)


def parse(config: type[C], words: Sequence[str]) -> C:
    """A Config from the words of a command line; ends the process with an explanation where they make none."""
    prog = f"python -m {sys.modules['__main__'].__spec__.name}" if sys.modules["__main__"].__spec__ else None
    return tyro.cli(config, prog=prog, args=words, config=(tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff))


def about(made: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """What a result carries so that it can be repeated: command, versions, hardware, date.

    `made` is what each cell says of the device, workers and threads that it ran on.
    """
    script = sys.modules["__main__"].__spec__
    command = ["python", "-m", script.name, *sys.argv[1:]] if script else sys.argv
    ran = {f"{m['device']}, {m['workers']} x {m['threads']} threads" for m in made}
    installed = {package.name: package.version for package in distributions()}
    packages = {name: installed[name] for name in ("torch", "torchvision", "ray", "numpy", "pyarrow") if name in installed}
    return {
        "command": shlex.join(command),
        "versions": {"python": platform.python_version(), **packages},
        "hardware": "; ".join([f"{processor()}, {os.cpu_count()} cores", *sorted(ran)]),
        "date": date.today().isoformat(),
    }


def processor() -> str:
    """The CPU's own name, where the system tells it."""
    try:
        with open("/proc/cpuinfo") as file:
            named = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        named = []
    return next(iter(named), platform.processor() or platform.machine())
