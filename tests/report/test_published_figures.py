from dataclasses import asdict

import pytest

from biasray import methods
from biasray.bias.task import Task
from biasray.report import published

DIGITS = {"target": "digit", "bias": "colour"}


@pytest.mark.parametrize(
    ("data", "task", "column"),
    [
        ("mnist", Task(**DIGITS, agreement=0.99), "C-MNIST 1"),
        ("mnist", Task(**DIGITS, agreement=0.98), "C-MNIST 2"),
        ("mnist", Task(**DIGITS, agreement=0.95), None),
        ("mnist", Task(**DIGITS, agreement=0.99, palette="kim"), None),
        ("digits", Task(**DIGITS, agreement=0.99), None),
        ("celeba", Task(target="Big_Nose", bias="Male"), "CelebA, big nose"),
        ("celeba", Task(target="Big_Nose", bias="Male", agreement=0.9), None),
        ("celeba", Task(target="Big_Nose", bias="Young"), None),
    ],
)
def test_ours_stands_only_beside_the_papers_own_task(data: str, task: Task, column: str | None) -> None:
    assert published.column(data, asdict(task), task.agreement) == column


def test_digits_that_came_coloured_are_known_by_how_many_are_aligned() -> None:
    assert published.column("cmnist", asdict(Task(**DIGITS)), 0.98993) == "C-MNIST 1"
    assert published.column("cmnist", asdict(Task(**DIGITS)), 0.951) is None


def test_figures_are_the_papers() -> None:
    found = published.figures("C-MNIST 1")
    assert found["erm", "group_average"] == 56.28
    assert found["group-dro", "worst_group"] == 29.61
    assert found["poisoner", "bias_accuracy"] == 88.95
    assert found["lff", "bias_accuracy after epoch 2"] == 80.53
    assert ("erm", "model_bias") not in published.figures("Dogs & Cats")


def test_every_method_of_the_paper_is_ours_too() -> None:
    assert set(published.METHODS) <= set(methods.debiasing())
    assert all(len(line) == len(published.METHODS) for line in published.TABLES.values())
