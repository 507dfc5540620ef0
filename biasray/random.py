"""Randomness by key, not by state: the same on any number of workers and after any number of kills."""

import hashlib
from numbers import Integral

import numpy as np
import torch
from torch import Tensor

_GOLDEN = -7046029254386353131  # 2**64 / golden ratio, as int64: the step of splitmix64


def key(*parts: object) -> int:
    """A 63-bit integer that depends on every part and on their order."""
    plain = tuple(int(p) if isinstance(p, Integral) else p for p in parts)  # numpy's 1 is 1
    digest = hashlib.blake2b(repr(plain).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def generator(*parts: object) -> torch.Generator:
    """A torch generator (on the CPU) of its own for these parts."""
    return torch.Generator().manual_seed(key(*parts))


def rng(*parts: object) -> np.random.Generator:
    """A numpy generator of its own for these parts."""
    return np.random.default_rng(key(*parts))


def _mix(x: Tensor) -> Tensor:
    """splitmix64's finaliser. int64 wraps around; the masks make its shifts logical."""
    x = (x ^ ((x >> 30) & 0x3FFFFFFFF)) * -4658895280553007687
    x = (x ^ ((x >> 27) & 0x1FFFFFFFFF)) * -7723592293110705685
    return x ^ ((x >> 31) & 0x1FFFFFFFF)


def uniform(key_B: Tensor, n: int, purpose: int = 0) -> Tensor:
    """(B, n) float64 in [0, 1): row b depends on key_B[b], n's column and the purpose alone."""
    step_N = torch.arange(n, device=key_B.device) * _GOLDEN
    salt = _mix(torch.full((), purpose + 1, device=key_B.device))
    bits_BN = _mix(_mix(key_B)[:, None] + step_N + salt)
    return ((bits_BN >> 11) & 0x1FFFFFFFFFFFFF).to(torch.float64) / 2**53


def normal(key_B: Tensor, n: int, purpose: int = 0) -> Tensor:
    """(B, n) float64, standard normal (Box and Muller), keyed like `uniform`; uses purposes 2 p and 2 p + 1."""
    u, v = uniform(key_B, n, 2 * purpose), uniform(key_B, n, 2 * purpose + 1)
    return (-2 * (1 - u).log()).sqrt() * (2 * torch.pi * v).cos()
