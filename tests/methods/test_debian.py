"""DebiAN against its equations in numpy."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from biasray import methods, networks
from biasray.contract import Batch, Labels, Method
from biasray.loop import Place, Plan, train
from biasray.recipe import Recipe
from tests.methods_by_hand import Floats, cross_entropy, drive, linear, random_batches, softmax, weights
from tests.training import SIDE, Noting, labels, table

LAM, EPS, LR = 0.6, 1e-6, 0.5


def build(target_N: Tensor) -> Method:
    torch.manual_seed(0)
    return methods.build("debian", linear, Labels(target_N, 3), {"balance": LAM}, 1).double()


def own(x_BK: Floats, y: np.ndarray) -> Floats:
    return np.take_along_axis(x_BK, y[:, None], 1)[:, 0]


def test_both_losses_follow_the_equations_step_by_step() -> None:
    batches, target_N, _ = random_batches(6, 8, 3, 2)
    method = build(target_N)
    flipped = missing = 0
    for batch in batches:
        x, y = batch.image.flatten(1).numpy(), batch.target.numpy()
        (wd, cd), (wc, cc) = weights(method, "discoverer"), weights(method, "classifier")
        p = own(softmax(x @ wc.T + cc), y)

        def halves(s: Floats, p: Floats = p, y: np.ndarray = y) -> dict[int, tuple[float, float, float]]:
            return {
                t: (
                    (s * p)[y == t].sum() / (s[y == t].sum() + EPS),
                    ((1 - s) * p)[y == t].sum() / ((1 - s)[y == t].sum() + EPS),
                    s[y == t].mean(),
                )
                for t in np.unique(y)
            }

        s = 1 / (1 + np.exp(-own(x @ wd.T + cd, y)))
        apart = [-np.log(EPS + abs(a - b)) - LAM * np.log(EPS + 1 - abs(2 * m - 1)) for a, b, m in halves(s).values()]
        first, second = drive(method, batch, LR)
        assert first == (("discoverer",), pytest.approx(np.mean(apart), rel=1e-6))

        wd, cd = weights(method, "discoverer")  # as the first update left it
        s = 1 / (1 + np.exp(-own(x @ wd.T + cd, y)))
        found = halves(s)
        swap = np.array([found[t][1] < found[t][0] for t in y])
        loss_B, _ = cross_entropy(x @ wc.T + cc, y)
        assert second == (("classifier",), pytest.approx(((1 + np.where(swap, 1 - s, s)) * loss_B).mean(), rel=1e-6))
        flipped += int(swap.any() and not swap.all())
        missing += int(len(found) < 3)
    assert flipped
    assert missing
    assert method.training


def test_the_two_streams_are_shuffled_each_by_itself(tmp_path: Path) -> None:
    """With the same order in both, the discoverer would always split just the batch that the classifier learns next."""
    of = table(48, 0)
    noting, told = Noting(of), labels({"train": of})
    make = partial(networks.build, "cnn", (3, SIDE, SIDE))
    train(
        lambda: methods.build("debian", make, told, {}, 1),
        {"train": noting, "validation": table(20, 2)},
        Plan(recipe=Recipe(batch=16), seed=0),
        Place(folder=str(tmp_path)),
    )
    discover, classify = torch.cat(noting.rows[::2]), torch.cat(noting.rows[1::2])
    assert discover.sort().values.tolist() == classify.sort().values.tolist() == list(range(48))
    assert not torch.equal(discover, classify)


def test_the_halves_are_told_apart_in_full_precision_under_autocast() -> None:
    """In bfloat16 the difference of g+ and g- is often 0, and the discoverer learns noise."""
    random = torch.Generator().manual_seed(0)
    target_B = torch.randint(0, 3, (256,), generator=random)
    p_B, s_B = torch.rand(256, generator=random), 0.5 + 0.01 * torch.rand(256, generator=random)
    method = build(target_B)
    exact = method.halves(p_B, s_B, target_B)
    with torch.autocast("cpu", torch.bfloat16):
        assert all(torch.equal(a, b) for a, b in zip(method.halves(p_B, s_B, target_B), exact, strict=True))


def test_the_two_learn_from_different_batches_and_the_other_rests() -> None:
    (batch, *_), target_N, _ = random_batches(1, 8, 3, 2)
    method, modes, drawn = build(target_N), dict[str, list[bool]](discoverer=[], classifier=[]), list[str]()
    (stage,) = method.stages()
    assert list(stage.streams) == ["train", "discover"]
    for name, seen in modes.items():
        network = method.get_submodule(name)
        network.register_forward_hook(lambda module, *_, seen=seen: seen.append(module.training))

    def draw(stream: str = "train") -> Batch:
        drawn.append(stream)
        return batch

    assert [objective.networks for objective in method.step(draw)] == [("discoverer",), ("classifier",)]
    assert drawn == ["discover", "train"]
    assert modes == {"classifier": [False, True], "discoverer": [True, False]}
