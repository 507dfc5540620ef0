"""How many pseudo-labels of each class are learnt from: as they come, as many of each, or as classes seem to occur.

Dong, Manzano Rodriguez, Guinaudeau, Satoh: Fairness Without Labels, ICCV workshops 2025 ('pseudo-balancing', equal). That takes
every pool to be half women; 'estimated' takes the shares that the start model's probabilities, calibrated on the labelled
validation images of its own data, give by expectation and maximisation (`metrics.shift.em`).
Axes: P row of the pool, V validation image, B example of a batch, K class.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from biasray.contract import Predict, Scan
from biasray.losses import full
from biasray.metrics.shift import calibrated, em
from biasray.world import World

Balance = Literal["none", "equal", "estimated"]
RARE = 0.01


def shares(balance: Balance, p_PK: Tensor, p_VK: Tensor, target_V: Tensor) -> Tensor | None:
    """(K,) what share of the pseudo-labels each class is to have; None: as they come."""
    classes = p_PK.shape[1]
    if balance == "none":
        return None
    if balance == "equal":
        return p_PK.new_full((classes,), 1 / classes)
    p_V, target, p_P = (x.double().cpu().numpy() for x in (p_VK, target_V, p_PK))
    prior_K = np.bincount(target.astype(np.int64), minlength=classes) / len(target)
    return torch.from_numpy(em(calibrated(p_V, target.astype(np.int64))(p_P), prior_K)).to(p_PK)


def told(network: Predict, scan: Scan, table: str, rows: int, like_K: Tensor, world: World) -> tuple[Tensor, Tensor]:
    """(N, K) probabilities and (N,) classes of all images of a table, on every worker; `like_K` has the type and the place."""
    p_NK, target_N = like_K.new_zeros(rows, len(like_K)), torch.zeros(rows, dtype=torch.long, device=like_K.device)
    for batch in scan(table):
        world.put(p_NK, batch.index, full(network(batch.image)).softmax(1))
        world.put(target_N, batch.index, batch.target)
    return p_NK, target_N


def kept(count_K: Tensor, share_K: Tensor | None) -> Tensor:
    """(K,) how many of each class's pseudo-labels are kept: as many as can be had with these shares. Of a class that is to have
    less than RARE there may be fewer."""
    if share_K is None:
        return count_K.to(torch.float64)
    wanted_K = share_K.double().clamp_min(1e-6)
    most_K = torch.where(share_K > RARE, count_K / wanted_K, torch.inf)
    return torch.minimum(wanted_K * most_K.min(), count_K.double())


def chosen(label_P: Tensor, share_K: Tensor | None, names: Sequence[str], generator: torch.Generator) -> Tensor:
    """Rows with a pseudo-label (-1 is none), at random as many of each class as there are to be, in random order.

    Raises ValueError where there is none, or no pseudo-label of a class that is to have a share.
    """
    label_P, classes = label_P.cpu(), len(names)
    count_K = torch.bincount(label_P[label_P >= 0], minlength=classes)
    if not count_K.sum():
        raise ValueError("No unlabelled image is told with so much certainty as --threshold asks for; lower it.")
    if share_K is not None and bool(((count_K == 0) & (share_K.cpu() > RARE)).any()):
        missing = next(name for name, count in zip(names, count_K, strict=True) if not count)
        raise ValueError(
            f"No unlabelled image is surely told as {missing}, so pseudo-labels cannot be balanced; "
            "give a lower --threshold, or --balance none."
        )
    keep_K = kept(count_K, None if share_K is None else share_K.cpu()).round().long()
    order_P = torch.randperm(len(label_P), generator=generator)
    rows = [order_P[label_P[order_P] == k][: keep_K[k]] for k in range(classes)]
    together = torch.cat(rows)
    return together[torch.randperm(len(together), generator=generator)]


def thinned(sure_B: Tensor, label_B: Tensor, share_K: Tensor | None, count_K: Tensor, u_B: Tensor) -> Tensor:
    """(B,) which sure pseudo-labels of a batch are kept: of each class a random part, so that on average they have the shares
    they are to have. `count_K` are those of the global batch, `u_B` uniform random numbers."""
    if share_K is None:
        return sure_B
    part_K = kept(count_K, share_K) / count_K.clamp_min(1)
    return sure_B & (u_B < part_K[label_B])


def counted(label_B: Tensor, sure_B: Tensor, classes: int) -> Tensor:
    """(K,) sure pseudo-labels of each class."""
    return (F.one_hot(label_B, classes) * sure_B[:, None]).sum(0)
