import numpy as np
import pytest

from biasray.metrics import found
from biasray.metrics.counts import Counts, count

RNG = np.random.default_rng(0)
FULL = RNG.integers(1, 50, (3, 4, 2, 3, 2))  # two leading axes, 2 targets, 3 bias values
MANY = RNG.integers(1, 50, (3, 4, 5, 3, 5))
TRAIN = RNG.integers(1, 50, (5, 3))


def perfect(targets: int, biases: int) -> Counts:
    predicted = np.zeros((targets, biases, targets), np.int64)
    for t in range(targets):
        predicted[t, :, t] = 7 + t
    return Counts(predicted, np.full((targets, biases), 5))


def test_count_puts_every_example_in_its_own_cell() -> None:
    got = count(np.array([0, 0, 1, 1, 1]), np.array([0, 2, 2, 2, 1]), np.array([0, 1, 1, 0, 1]), 2, 3)
    expected = np.zeros((2, 3, 2), np.int64)
    for cell in [(0, 0, 0), (0, 2, 1), (1, 2, 1), (1, 2, 0), (1, 1, 1)]:
        expected[cell] += 1
    np.testing.assert_array_equal(got.predicted, expected)
    np.testing.assert_array_equal(got.group, [[1, 0, 1], [0, 1, 2]])
    np.testing.assert_array_equal(got.correct, [[1, 0, 0], [0, 1, 1]])
    np.testing.assert_array_equal(got.group_accuracy, [[1, np.nan, 0], [np.nan, 1, 0.5]])


def test_count_keeps_all_groups_apart_when_there_are_more_biases_than_targets() -> None:
    target, bias = (axis.ravel() for axis in np.meshgrid(range(3), range(7), indexing="ij"))
    got = count(target, bias, target, 3, 7)
    np.testing.assert_array_equal(got.group, np.ones((3, 7)))


@pytest.mark.parametrize(
    ("target", "bias", "predicted", "name"),
    [
        (2, 0, 0, "target"),
        (-1, 0, 0, "target"),
        (0, 3, 0, "bias"),
        (0, -1, 0, "bias"),
        (0, 0, 2, "predicted"),
        (0, 0, -1, "predicted"),
    ],
)
def test_count_refuses_a_code_out_of_range(target: int, bias: int, predicted: int, name: str) -> None:
    with pytest.raises(ValueError, match=f"A {name} label is outside 0 to"):
        count(np.array([0, target]), np.array([0, bias]), np.array([0, predicted]), 2, 3)


def test_count_of_nothing_is_all_zero() -> None:
    none = np.zeros(0, np.int64)
    assert count(none, none, none, 2, 3).predicted.sum() == 0


ANY = [name for name in found() if name != "equal_opportunity"]  # which is of two targets only


def test_equal_opportunity_is_of_two_targets_only() -> None:
    assert np.isnan(found()["equal_opportunity"].compute(Counts(MANY))).all()
    assert np.isfinite(found()["equal_opportunity"].compute(Counts(FULL))).all()


@pytest.mark.parametrize("name", ANY)
@pytest.mark.parametrize("table", [FULL, MANY, FULL[..., :2, :]], ids=["3 bias values", "5 targets", "2 bias values"])
def test_metric_over_leading_axes_is_finite_and_equals_the_loop(name: str, table: np.ndarray) -> None:
    compute, train = found()[name].compute, TRAIN[: table.shape[-3], : table.shape[-2]]
    got = compute(Counts(table, train))
    assert got.shape == (3, 4)
    assert np.isfinite(got).all()
    loop = [[compute(Counts(table[i, j], train)) for j in range(4)] for i in range(3)]
    np.testing.assert_allclose(got, loop, rtol=1e-12)


@pytest.mark.parametrize("name", ANY)
@pytest.mark.parametrize(("targets", "biases"), [(2, 2), (2, 5), (10, 10)])
def test_metric_of_a_perfect_classifier(name: str, targets: int, biases: int) -> None:
    metric = found()[name]
    assert metric.compute(perfect(targets, biases)) == pytest.approx(0 if metric.lower_is_better else 1, abs=1e-12)


@pytest.mark.parametrize("name", found())
@pytest.mark.parametrize("table", [FULL, MANY], ids=["2 targets", "5 targets"])
def test_metric_does_not_depend_on_the_order_of_bias_values(name: str, table: np.ndarray) -> None:
    compute, train, order = found()[name].compute, TRAIN[: table.shape[-3]], [2, 0, 1]
    got = compute(Counts(table[..., order, :], train[:, order]))
    np.testing.assert_allclose(got, compute(Counts(table, train)), rtol=1e-12)


@pytest.mark.parametrize("name", found())
def test_metric_leaves_a_bias_value_without_examples_out(name: str) -> None:
    compute, table = found()[name].compute, FULL[0, 0].copy()
    table[:, 1] = 0
    train = TRAIN[:2].copy()
    if name == "model_bias":  # its formula depends on the number of bias values
        accuracy = Counts(table).group_accuracy[:, [0, 2]]
        assert compute(Counts(table)) == pytest.approx((accuracy.mean(1) - accuracy.min(1)).mean())
        return
    expected = compute(Counts(table[:, [0, 2]], train[:, [0, 2]]))
    assert compute(Counts(table, train)) == pytest.approx(float(expected))


@pytest.mark.parametrize("name", found())
def test_metric_of_no_examples_is_nan(name: str) -> None:
    assert np.isnan(found()[name].compute(Counts(np.zeros((2, 2, 2), np.int64), TRAIN[:2, :2])))


@pytest.mark.parametrize("name", found())
def test_metric_has_a_title_and_computes_when_all_is_wrong(name: str) -> None:
    metric = found()[name]
    assert metric.title
    wrong = Counts(np.array([[[0, 5], [0, 5]], [[5, 0], [5, 0]]]), TRAIN[:2, :2])
    value = metric.compute(wrong)
    assert np.isnan(value) if name == "accuracy_ratio" else value == 0
