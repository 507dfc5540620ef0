"""Training progress as one line that updates."""

import sys
import time

from tqdm import tqdm

from biasray.loop import Tick


class Progress:
    """One line that updates with what is done, the rate and the time left."""

    def __init__(self, title: str) -> None:
        layout = "{desc}  {n:.1f}/{total:.0f} epochs  {postfix}  {elapsed}, {remaining} left"
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
