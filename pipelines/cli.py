"""From a typed Config to a command: flags, help, progress, and one sentence for bad input."""

import platform
import shlex
import sys
import time
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from typing import Any, TypeVar

import torch
import tyro
from tqdm import tqdm

from biasray.loop import Tick

C = TypeVar("C")


def run(config: type[C], main: Callable[[C], Any]) -> None:
    """Parse the command line into a Config and run; a ValueError ends with its sentence and exit status 2."""
    prog = f"python -m {sys.modules['__main__'].__spec__.name}" if sys.modules["__main__"].__spec__ else None
    given = tyro.cli(config, prog=prog, config=(tyro.conf.OmitArgPrefixes, tyro.conf.FlagConversionOff))
    try:
        main(given)
    except ValueError as error:
        print(f"\n{error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on from here.", file=sys.stderr)
        sys.exit(130)


def about() -> dict[str, Any]:
    """What a result carries so that it can be repeated: command, versions, hardware, date."""
    script = sys.modules["__main__"].__spec__
    command = ["python", "-m", script.name, *sys.argv[1:]] if script else sys.argv
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no GPU"
    packages = {name: version(name) for name in ("torch", "torchvision", "ray", "numpy", "pyarrow")}
    return {
        "command": shlex.join(command),
        "versions": {"python": platform.python_version(), **packages},
        "hardware": f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} torch threads, {gpu}",
        "date": date.today().isoformat(),
    }


class Progress:
    """One line that updates with what is done, the rate and the time left."""

    def __init__(self, title: str) -> None:
        layout = "{desc}  {n:.1f}/{total} epochs  {postfix}  {elapsed}, {remaining} left"
        self.bar = tqdm(desc=title, total=0, bar_format=layout, mininterval=0.5 if sys.stderr.isatty() else 30)
        self.images, self.began = 0, time.monotonic()

    def __call__(self, tick: Tick) -> None:
        self.images += tick.images
        self.bar.total = tick.total
        if self.bar.update(tick.done - self.bar.n):
            rate = self.images / max(time.monotonic() - self.began, 1e-9)
            self.bar.set_postfix_str(f"{tick.stage}, {rate:,.0f} images/s", refresh=False)

    def close(self) -> None:
        self.bar.close()
