"""Training many small networks in one program: model-samples a second by number of members and way. Needs no Ray.

Axes: M member, B example, H W C.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.utils.flop_counter import FlopCounterMode

from biasray import networks, storage
from biasray.data.dataset import DataSet
from biasray.experiment import Compute, fast_precision
from biasray.predict import Precision, autocast
from biasray.zoo import plan
from biasray.zoo.packing import Packed
from biasray.zoo.spec import DigitZoo
from pipelines.cli import about, run

SHAPE = 3, 28, 28
MEMBERS = {"cpu": (1, 4, 8, 16), "cuda": (1, 16, 64, 128, 256, 512)}


@dataclass(frozen=True, kw_only=True)
class Config:
    """How fast one device trains digit networks: our ways of packing, one network at a time, and torch's vmap."""

    compute: Compute = Compute(threads=1)
    members: tuple[int, ...] | None = None
    """Networks together. Default: 1, 4, 8, 16 on a CPU; 1, 16, 64, 128, 256, 512 on a GPU."""
    batch: int = 128
    """Images of each in a step."""
    steps: int = 20
    """Timed, after three that are not."""
    out: str = "pipelines/benchmarks/results/fused.json"
    """File of the results."""


def main(config: Config) -> dict[str, Any]:
    if config.steps < 1 or config.batch < 1 or min(config.members or (1,)) < 1:
        raise ValueError("--steps, --batch and --members must be 1 or more.")
    device = config.compute.start()
    precision = fast_precision("digit-cnn", device)
    flops, moved = cost(config.batch, precision, device)
    matrix, copy = matrix_rate(precision, device), copy_bandwidth(device)
    rows = []
    for members in config.members or MEMBERS[device.type]:
        ways: dict[str, Callable[[], float]] = {"vmap": partial(vmapped, members, config, precision, device)}
        together: tuple[Packed, ...] = ("single",) if members == 1 else plan.PACKED[device.type]
        for packed in together:
            ways[packed] = partial(ours, members, packed, config, precision, device)
        if members == 1:
            ways["bare loop"] = partial(bare_loop, config.batch, config.steps, precision, device)
        for way, rate in ways.items():
            try:
                found = rate()
            except torch.OutOfMemoryError:
                torch.cuda.empty_cache()
                found = math.nan
            rows.append({"way": way, "members": members, "model-samples a second": found})
            rows[-1] |= {"of the matrix rate": found * flops / matrix, "of the copy bandwidth": found * moved / copy}
    kind = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    result = {
        "about": about([{"device": kind, "workers": 1, "threads": torch.get_num_threads()}]),
        "batch": config.batch,
        "precision": precision,
        "operations a model-sample": flops,
        "bytes a model-sample": moved,
        "matrix rate, operations a second": matrix,
        "copy bandwidth, bytes a second": copy,
        "rows": rows,
    }
    storage.write_json(config.out, result)
    table = pd.DataFrame(rows).to_string(index=False, float_format="{:,.3g}".format)
    print(f"{kind}, {precision}, batch {config.batch}\n{table}")
    return result


def noise(images: int) -> DataSet:
    """Grey noise in place of digits, which trains as fast; few test images."""
    n = 2 * images + 200
    random = np.random.default_rng(0)
    examples = pd.DataFrame(
        {
            "id": [f"{k:06d}" for k in range(n)],
            "split": ["train"] * 2 * images + ["test"] * 200,
            "hash": "",
            "digit": random.integers(0, 10, n).astype(str),
        }
    )
    store = random.integers(0, 256, (n, 28, 28, 1), dtype=np.uint8)
    return DataSet("noise", examples, (1, 28, 28), "digit", "colour", "0", lambda rows_N: store[rows_N])


def ours(members: int, packed: Packed, config: Config, precision: Precision, device: torch.device) -> float:
    """Model-samples a second of a zoo's own steps, colouring, loss and Adam included; not the start of an epoch."""
    images = config.batch * (config.steps + plan.UNTIMED)
    zoo = DigitZoo(members=members, images=images, batch=(config.batch,), epochs=(1,))
    dataset = noise(images)
    speed = plan.timed(zoo.expand(dataset, precision, 0), dataset, device, packed, config.steps)
    return images / speed.seconds


def bare_loop(batch: int, steps: int, precision: Precision, device: torch.device) -> float:
    """One network at a time in plain torch: channels last, fused Adam, coloured digits made beforehand."""
    images = batch * (steps + 2)
    image_NCHW = torch.rand(images, 28, 28, 3, device=device).permute(0, 3, 1, 2)
    target_N = torch.randint(0, 10, (images,), device=device)
    network = networks.build("digit-cnn", SHAPE, 10).to(device).to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(network.parameters(), fused=True)
    rows = iter(torch.randperm(images, device=device).split(batch))

    def step() -> None:
        rows_B = next(rows)
        optimiser.zero_grad()
        with autocast(device, precision):
            logits_BK = network(image_NCHW[rows_B])
        F.cross_entropy(logits_BK.float(), target_N[rows_B]).backward()
        optimiser.step()

    return batch / seconds(step, steps, device)


def vmapped(members: int, config: Config, precision: Precision, device: torch.device) -> float:
    """The usual way to train an ensemble in one program: torch.func, with one fused Adam over the stacked weights."""
    built = [networks.build("digit-cnn", SHAPE, 10).to(device) for _ in range(members)]
    weights, buffers = stack_module_state(built)
    network = built[0].to("meta")
    image_MBCHW = torch.rand(members, config.batch, *SHAPE, device=device)
    target_MB = torch.randint(0, 10, (members, config.batch), device=device)
    optimiser = torch.optim.Adam(list(weights.values()), fused=True)

    def loss(weight: dict[str, Tensor], buffer: dict[str, Tensor], image_BCHW: Tensor, target_B: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(network, (weight, buffer), (image_BCHW,)).float(), target_B)

    gradients = vmap(grad(loss), randomness="different")

    def step() -> None:
        with autocast(device, precision):
            found = gradients({k: v.detach() for k, v in weights.items()}, buffers, image_MBCHW, target_MB)
        for name, gradient in found.items():
            weights[name].grad = gradient
        optimiser.step()

    return members * config.batch / seconds(step, config.steps, device)


def seconds(step: Callable[[], object], steps: int, device: torch.device) -> float:
    """Mean of so many steps, after two that are not timed."""
    for number in range(steps + 2):
        if number == 2:
            began = time.monotonic()
        step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
    return (time.monotonic() - began) / steps


def cost(batch: int, precision: Precision, device: torch.device) -> tuple[int, float]:
    """Operations of a model-sample, forward and backward, and the bytes that it must at least move.

    What is kept for the backward pass is written once and read once, and so is the gradient of what of it has one; a step
    of Adam reads weights, gradient and two moments, and writes all but the gradient.
    """
    network = networks.build("digit-cnn", SHAPE, 10).to(device).to(memory_format=torch.channels_last)
    weights = {parameter.data_ptr() for parameter in network.parameters()}
    image_BCHW = torch.rand(batch, *SHAPE, device=device)
    kept = dict[int, int]()

    def keep(tensor: Tensor) -> Tensor:
        if tensor.data_ptr() not in weights:
            has_gradient = tensor.is_floating_point() and tensor.shape != image_BCHW.shape
            kept[tensor.data_ptr()] = (4 if has_gradient else 2) * tensor.nbytes
        return tensor

    with FlopCounterMode(display=False) as counted, torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        with autocast(device, precision):
            logits_BK = network(image_BCHW)
        F.cross_entropy(logits_BK.float(), torch.zeros(batch, dtype=torch.long, device=device)).backward()
    adam = 7 * 4 * sum(parameter.numel() for parameter in network.parameters())
    return counted.get_total_flops() // batch, (sum(kept.values()) + adam) / batch


def matrix_rate(precision: Precision, device: torch.device) -> float:
    """Operations a second of one large product of matrices."""
    side = 8192 if device.type == "cuda" else 1024
    a = torch.rand(side, side, device=device, dtype=torch.bfloat16 if precision == "bf16" else torch.float32)
    return 2 * side**3 / seconds(lambda: a @ a, 10, device)


def copy_bandwidth(device: torch.device) -> float:
    """Bytes read and written a second by copying a large tensor."""
    source = torch.ones(2**30 if device.type == "cuda" else 2**26, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / seconds(lambda: target.copy_(source), 10, device)


if __name__ == "__main__":
    run(Config, main)
