"""For tests that compare a method with its equations, step by step: a linear network and plain gradient descent."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from biasray.contract import Batch, Method
from biasray.networks.network import Network

Floats = NDArray[np.float64]
SIDE = 2


class Flat(Network):
    """Its features are the pixels."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.head = nn.Linear(SIDE * SIDE, outputs)

    def features(self, image_BCHW: Tensor) -> Tensor:
        return image_BCHW.flatten(1)


def linear(outputs: int) -> nn.Module:
    return Flat(outputs)


def weights(method: Method, name: str) -> list[Floats]:
    """Weight and bias of one of its networks, copied."""
    return [p.detach().numpy().copy() for p in method.get_submodule(name).parameters()]


def softmax(logits_BK: Floats) -> Floats:
    e = np.exp(logits_BK - logits_BK.max(1, keepdims=True))
    return np.asarray(e / e.sum(1, keepdims=True))


def cross_entropy(logits_BK: Floats, target_B: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Of each example, and its gradient by the logits."""
    p_BK, one_BK = softmax(logits_BK), np.eye(logits_BK.shape[1])[target_B]
    return -np.log((p_BK * one_BK).sum(1)), p_BK - one_BK


def drive(method: Method, batch: Batch, lr: float) -> list[tuple[tuple[str, ...], float]]:
    """One step of a method with plain gradient descent: what it yielded."""
    seen = []
    for networks, loss in method.step(lambda stream="train": batch):
        parameters = [p for name in networks for p in method.get_submodule(name).parameters()]
        grads = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            for p, grad in zip(parameters, grads, strict=True):
                p -= lr * grad
        seen.append((networks, loss.item()))
    return seen


def random_batches(epochs: int, batch: int, classes: int, biases: int, n: int = 24) -> tuple[list[Batch], Tensor, Tensor]:
    """Batches of some epochs over n examples, which visit each row once an epoch; targets and bias labels of the rows."""
    random = torch.Generator().manual_seed(0)
    image = torch.rand(n, 1, SIDE, SIDE, generator=random, dtype=torch.float64) * 4
    target, bias = torch.randint(0, classes, (n,), generator=random), torch.randint(0, biases, (n,), generator=random)
    orders = [torch.randperm(n, generator=random).split(batch) for _ in range(epochs)]
    made = [Batch(i, image[i], target[i], bias[i], target[i] * biases + bias[i], i) for order in orders for i in order]
    return made, target, bias
