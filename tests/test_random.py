import numpy as np
import pytest
import torch
from scipy import stats

from biasray.random import generator, key, normal, rng, uniform

KEYS = torch.arange(400) + key("test")


def test_a_key_depends_on_every_part_on_their_order_and_on_where_they_part() -> None:
    parts = [(1, 2), (2, 1), (1,), (1, 2, 0), ("1", 2), (12,), ("a", "b"), ("ab",), ("b", "a"), ((1, 2),), ()]
    assert len({key(*p) for p in parts}) == len(parts)


def test_a_key_is_the_same_in_every_process_and_fits_an_int64() -> None:
    assert key("seed", 0) == 2295701711082502147
    assert all(0 <= key(i) < 2**63 for i in range(1000))


def test_generators_repeat_by_key() -> None:
    assert torch.equal(torch.rand(5, generator=generator("a", 1)), torch.rand(5, generator=generator("a", 1)))
    assert not torch.equal(torch.rand(5, generator=generator("a", 1)), torch.rand(5, generator=generator("a", 2)))
    np.testing.assert_array_equal(rng("a", 1).random(5), rng("a", 1).random(5))
    assert (rng("a", 1).random(5) != rng("a", 2).random(5)).all()


def by_hand(key: int, column: int, purpose: int) -> float:
    """The same arithmetic on unbounded integers."""
    mask = 2**64 - 1

    def mix(x: int) -> int:
        x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & mask
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & mask
        return x ^ (x >> 31)

    bits = mix((mix(key & mask) + column * 0x9E3779B97F4A7C15 + mix(purpose + 1)) & mask)
    return (bits >> 11) / 2**53


def test_uniform_is_splitmix64() -> None:
    keys = torch.tensor([0, 1, -1, 2**62 + 12345, -(2**63)])
    for purpose in (0, 3):
        got = uniform(keys, 6, purpose)
        expected = [[by_hand(int(k), c, purpose) for c in range(6)] for k in keys]
        np.testing.assert_array_equal(got, expected)


def test_uniform_lies_from_zero_to_one_without_one() -> None:
    got = uniform(KEYS, 500)
    assert got.shape == (400, 500)
    assert got.dtype == torch.float64
    assert 0 <= got.min() < 1e-4
    assert 1 - 1e-4 < got.max() < 1


@pytest.mark.parametrize("draw", [uniform, normal])
def test_a_row_depends_on_its_key_alone(draw: type[uniform]) -> None:
    whole = draw(KEYS, 6)
    order = torch.randperm(400, generator=generator("order"))
    assert torch.equal(draw(KEYS[order], 6), whole[order])
    assert torch.equal(torch.cat([draw(part, 6) for part in KEYS.split(7)]), whole)
    assert torch.equal(draw(KEYS, 3), whole[:, :3])
    assert torch.equal(draw(KEYS[[5, 5]], 6), whole[[5, 5]])


@pytest.mark.parametrize("draw", [uniform, normal])
def test_purposes_columns_and_keys_give_numbers_of_their_own(draw: type[uniform]) -> None:
    a, b = draw(KEYS, 50, 1), draw(KEYS, 50, 2)
    assert len(torch.cat([a, b]).unique()) == 2 * 400 * 50
    assert abs(np.corrcoef(a.flatten(), b.flatten())[0, 1]) < 0.03


@pytest.mark.parametrize(("draw", "law"), [(uniform, "uniform"), (normal, "norm")])
def test_numbers_follow_their_law_along_rows_columns_and_all(draw: type[uniform], law: str) -> None:
    got = draw(torch.arange(400) + key("ks"), 500).numpy()
    for sample in (got.ravel(), got[0], got[:, 0], got[-1], got[:, -1]):
        assert stats.kstest(sample, law).pvalue > 1e-3


def test_neighbouring_keys_and_columns_are_uncorrelated() -> None:
    got = uniform(KEYS, 500).numpy()
    assert abs(np.corrcoef(got[:-1].ravel(), got[1:].ravel())[0, 1]) < 0.01
    assert abs(np.corrcoef(got[:, :-1].ravel(), got[:, 1:].ravel())[0, 1]) < 0.01


def test_normal_is_finite_and_uses_both_purposes_of_its_own() -> None:
    got = normal(torch.arange(200_000), 2)
    assert torch.isfinite(got).all()
    assert stats.kstest(got.flatten().abs() ** 2, "chi2", args=(1,)).pvalue > 1e-3
    first, second = uniform(KEYS, 5, 6), uniform(KEYS, 5, 7)
    expected = np.sqrt(-2 * np.log1p(-first.numpy())) * np.cos(2 * np.pi * second.numpy())
    np.testing.assert_allclose(normal(KEYS, 5, 3), expected, rtol=1e-9, atol=1e-12)
