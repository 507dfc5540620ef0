"""Progress of all cells as one line that updates, or now and then a line of a log."""

import sys
import time
from collections.abc import Callable
from typing import Any

from tqdm import tqdm

from biasray.engine.cells import Status


class _Log:
    """The output of a job or a file of it: a new line for what would overwrite the last one on a terminal."""

    def write(self, text: str) -> None:
        sys.stderr.write(text.replace("\r", "\n"))

    def flush(self) -> None:
        sys.stderr.flush()


class Progress:
    """One line that updates with what is done, the rate and the time left."""

    def __init__(self, parts: str = "trainings", unit: str = "epochs") -> None:
        self.parts = parts
        self.layout = f"{{desc}}  {{n:.1f}}/{{total:.0f}} {unit}  {{postfix}}  {{elapsed}}, {{remaining}} left"
        shown: dict[str, Any] = {"mininterval": 0.5} if sys.stderr.isatty() else {"mininterval": 30, "file": _Log()}
        self.bar = tqdm(desc="starting", bar_format="{desc}  {elapsed}", **shown)
        self.began: float | None = None

    def __call__(self, status: Status) -> None:
        if not status.done:
            return
        failed = f", {status.failed} failed" if status.failed else ""
        self.bar.set_description_str(f"{status.finished}/{status.cells} {self.parts}{failed}", refresh=False)
        if self.began is None:
            self.began, self.bar.bar_format = time.monotonic(), self.layout
            self.bar.reset(status.total)  # so that the time left does not count the start of Ray
        self.bar.total = status.total
        rate = status.images / max(time.monotonic() - self.began, 1.0)
        self.bar.set_postfix_str(f"{rate:,.0f} images/s" if status.images else "", refresh=False)
        self.bar.update(status.done - self.bar.n)

    def counted(self, total: int) -> Callable[[int], None]:
        """What is to be told of each few more that are done, of `total`."""
        done = 0

        def heard(more: int) -> None:
            nonlocal done
            done += more
            self(Status(total, done, 0, done, total, 0))

        return heard

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *stopped: Any) -> None:
        self.bar.close()
