"""Memory that a training process frees is its own again in the next step."""

import subprocess
import sys

STEPS = """
import resource, sys, torch
from biasray.process import settle
if sys.argv[1] == "settled":
    settle(1)
for step in range(20):
    if step == 4:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    tensors = [torch.zeros(2_000_000) for _ in range(4)]
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _faults(how: str) -> int:
    ran = subprocess.run([sys.executable, "-c", STEPS, how], capture_output=True, text=True, check=True)
    return int(ran.stdout)


def test_memory_is_kept_between_steps() -> None:
    assert 10 * _faults("settled") < _faults("as it is")
