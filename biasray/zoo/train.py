"""Training a pack of members together, and testing them. Axes: M member, P weight, B example, N row, E epoch, K output."""

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from biasray import networks
from biasray.data.dataset import DataSet
from biasray.networks import layout
from biasray.predict import autocast
from biasray.process import own_memory
from biasray.random import generator, key
from biasray.zoo.graph import Graphed
from biasray.zoo.member import Figures, Member, Predict
from biasray.zoo.optimise import Optimiser
from biasray.zoo.packing import Packed
from biasray.zoo.stacked import stack


class Trained(NamedTuple):
    weight_MP: Tensor  # float32 on the CPU, buffers included
    loss_ME: Tensor  # mean training loss of each epoch
    finite_M: Tensor  # whether it stayed finite; a member of which it did not has no figures
    figures: list[Figures]


def initial(member: Member) -> Tensor:
    """(P,) the weights a member starts from: those of members with the same number, network and outputs."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(key(member.seed, "init", member.init))
        network = networks.build(member.network, member.shape, member.lesson.outputs)
    return layout.of(network).row(network.state_dict())


def train(
    members: Sequence[Member],
    dataset: DataSet,
    packed: Packed,
    device: torch.device,
    tick: Callable[[float], None] = lambda done: None,
    only: int | None = None,
) -> Trained:
    """Train members of one program together; `tick` is told after each step the share that is done.

    `only` so many steps, and a test on a few images, is for measuring: it takes the memory of all, and its figures are of no
    worth.

    'single' is for one member alone. The result of each depends on no other: bit for bit on a CPU with one thread,
    elsewhere up to rounding.
    """
    assert packed != "single" or len(members) == 1
    if packed != "single" and len(members) == 1:  # one group has kernels of its own, which round otherwise
        twice = train([*members, *members], dataset, packed, device, tick, only)
        return Trained(twice.weight_MP[:1], twice.loss_ME[:1], twice.finite_M[:1], twice.figures[:1])
    first, seeds = members[0], [member.seed for member in members]
    assert {member.program for member in members} == {first.program}
    dtype = torch.float64 if first.precision == "float64" else torch.float32
    feed = type(first.lesson).feed([member.lesson for member in members], seeds, dataset, device, dtype)
    stacked = stack(first.network, first.shape, first.lesson.outputs, len(members), packed)
    row_MP = torch.stack([initial(member) for member in members]).to(device, dtype)
    weight_MP = row_MP[:, : stacked.layout.trained].clone().requires_grad_()
    buffers = {
        entry.name: row_MP[:, entry.start : entry.stop].reshape(-1, *entry.shape).clone()
        for entry in stacked.layout.entries
        if not entry.trained
    }
    optimiser = Optimiser(weight_MP.detach(), [member.recipe for member in members])
    n, size = first.lesson.images, first.recipe.batch
    steps, done, ids = -(-n // size), 0, [member.id for member in members]
    most = steps * first.epochs if only is None else only
    loss_ME = torch.zeros(len(members), first.epochs, dtype=torch.float64, device=device)

    def step(rows_MB: Tensor, key_M: Tensor, rate_M1: Tensor, full_2: Tensor) -> Tensor:
        with autocast(device, first.precision):
            output_MBK = stacked(weight_MP, buffers, feed.batch(rows_MB), key_M)
        loss_M = feed.loss(output_MBK.to(dtype), rows_MB)
        (grad_MP,) = torch.autograd.grad(loss_M.sum(), weight_MP)
        optimiser.step(grad_MP, rate_M1, full_2)
        return loss_M.detach()

    update = Graphed(step, device) if device.type == "cuda" and stacked.graphable else step
    for epoch in range(first.epochs):
        if done == most:
            break
        keys = [[key(seed, name, epoch * steps + at) for seed, name in zip(seeds, ids, strict=True)] for at in range(steps)]
        drawn = order(members, epoch), torch.tensor(keys), *optimiser.paces(epoch, first.epochs, steps)
        # While the host draws a GPU still has work; this waits for it.
        rows_MN, *rest = (tensor.to(device) for tensor in drawn)
        each = zip(rows_MN.split(size, 1), *rest, strict=True)
        for rows_MB, *pace in itertools.islice(each, most - done):
            loss_ME[:, epoch] += update(rows_MB, *pace) * rows_MB.shape[1] / n
            done += 1
            tick(done / (steps * first.epochs))
    if only is not None and n % size:  # the smaller batch at the end of an epoch takes memory of its own
        update(rows_MN[:, -(n % size) :], *pace)
    del update  # and with it the memory of graphs
    finite_M = (loss_ME.isfinite().all(1) & weight_MP.isfinite().all(1)).cpu()

    @torch.no_grad()
    def predict(image_MBHWC: Tensor) -> Tensor:
        with autocast(device, first.precision):
            return stacked(weight_MP, buffers, image_MBHWC).to(dtype)

    figures = feed.figures(predict if only is None else _a_few(predict, first.lesson.outputs))
    kept = [weight_MP.detach(), *(buffers[e.name].flatten(1) for e in stacked.layout.entries if not e.trained)]
    weight = torch.cat(kept, 1).cpu()
    return Trained(weight if dtype == torch.float64 else weight.float(), loss_ME.cpu(), finite_M, figures)


def memory_taken(device: torch.device) -> int:
    """Bytes of memory that this process took when it took most: of a GPU's, or else of its own."""
    return torch.cuda.max_memory_reserved(device) if device.type == "cuda" else own_memory()


def _a_few(predict: Predict, outputs: int) -> Predict:
    """Predicts the first images of each number that it is given, and zeros for others."""
    seen = set[torch.Size]()

    def predict_a_few(image_MBHWC: Tensor) -> Tensor:
        if image_MBHWC.shape not in seen:
            seen.add(image_MBHWC.shape)
            return predict(image_MBHWC)
        return image_MBHWC.new_zeros(*image_MBHWC.shape[:2], outputs)

    return predict_a_few


def order(members: Sequence[Member], epoch: int) -> Tensor:
    """(M, N) the order in which each member sees its images in an epoch."""
    drawn: dict[tuple[int, int], Tensor] = {}
    for member in members:
        stream = (member.seed, member.order)
        if stream not in drawn:
            drawn[stream] = torch.randperm(member.lesson.images, generator=generator(*stream, "order", epoch))
    return torch.stack([drawn[member.seed, member.order] for member in members])
