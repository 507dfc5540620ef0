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
    tensors = [torch.zeros(10_000_000) for _ in range(4)]  # more than the 32 MB that glibc may come to keep by itself
    del tensors
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _faults(how: str) -> int:
    ran = subprocess.run([sys.executable, "-c", STEPS, how], capture_output=True, text=True, check=True)
    return int(ran.stdout)


def test_memory_is_kept_between_steps() -> None:
    assert 10 * _faults("settled") < _faults("as it is")


def test_a_process_took_what_it_had_at_its_peak_without_what_is_shared() -> None:
    code = """
import mmap, torch
from biasray.process import own_memory
before = own_memory()
shared = mmap.mmap(-1, 300_000_000)
shared.write(b"x" * 200_000_000)
print(own_memory() - before)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 190_000_000 < int(ran.stdout) < 290_000_000  # what was written, which is freed, but not where to


def test_what_an_earlier_training_took_is_not_counted_to_the_next() -> None:
    code = """
import torch
from biasray.process import forget_peak, peak_memory, settle
settle(1)
at_first = peak_memory(torch.device("cpu"))
tensor = torch.ones(100_000_000)
print(peak_memory(torch.device("cpu")) - at_first)
del tensor
forget_peak()
print(peak_memory(torch.device("cpu")) - at_first)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    large, small = map(int, ran.stdout.split())
    assert large > 390_000_000
    assert small < 100_000_000
