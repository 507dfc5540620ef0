"""The notice that a machine will be taken away, which Ray keeps: it calls such a machine draining.

A machine whose `ray start` is sent SIGTERM drains, as Kubernetes does to pods and systemd before a shutdown; and so does one
that is told to by `ray drain-node`.
"""

import time
from typing import final

import ray
import torch
from ray._private.state import state  # Ray Train's own watcher asks it too; `ray.nodes()` does not say

from biasray.world import Alone, World

SECONDS = 1.0  # from one look to the next


@final
class Notice:
    """Whether a machine of these workers will be taken away soon."""

    def __init__(self, world: World | None = None, device: torch.device | None = None) -> None:
        """Of several workers each makes its own at once: they tell each other, by tensors on `device`, where they are."""
        mine = torch.tensor(list(bytes.fromhex(ray.get_runtime_context().get_node_id())), device=device)
        self.nodes = {bytes(node.tolist()).hex() for node in (world or Alone()).gather(mine[None])}
        self.given, self.looked = False, 0.0

    def __call__(self) -> bool:
        if time.monotonic() - self.looked > SECONDS:
            self.looked = time.monotonic()
            self.given = not self.nodes.isdisjoint(state.get_draining_nodes())
        return self.given
