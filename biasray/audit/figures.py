"""Figures of bias: how much worse a model reads the ages, or the genders, of one group of faces than of another.

Axes: M model, N example.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from biasray.data.ages import years
from biasray.data.dataset import refuse_unlabelled
from biasray.metrics.counts import Floats
from biasray.metrics.gap import Mask, gap

Target = Literal["age", "gender"]
GENDERS = ("Female", "Male")
ALL = "all"
FEWEST = 20  # examples of a group


class Figure(NamedTuple):
    attribute: str
    group: str
    against: str  # another value of the attribute, or all

    @property
    def name(self) -> str:
        return f"{self.group} - {self.against}"


# Of Zhu et al. 2025: positive where a model is worse for men, for Black and for East Asian faces.
PUBLISHED = (Figure("gender", "Male", "Female"), Figure("race", "Black", ALL), Figure("race", "East Asian", ALL))


def figure(text: str) -> Figure:
    """Of 'race=Black', against all, or 'gender=Male/Female'. Raises ValueError for another text."""
    attribute, equals, groups = text.partition("=")
    group, slash, against = groups.partition("/")
    if not (attribute and equals and group) or (slash and not against):
        raise ValueError(f"'{text}' is no figure of bias; give attribute=group or attribute=group/other, such as race=Black.")
    return Figure(attribute, group, against or ALL)


def published(examples: pd.DataFrame) -> list[Figure]:
    """Those of the paper that these examples have the groups for."""
    return [f for f in PUBLISHED if f.attribute in examples and {f.group, f.against} - {ALL} <= set(examples[f.attribute])]


def check(figures: Sequence[Figure], target: Target, examples: pd.DataFrame, called: str) -> None:
    """Raises ValueError where there is no target, or a group is missing or too small to say anything of it."""
    if target not in examples:
        raise ValueError(f"{called} has no attribute '{target}', by which models are judged; give another data set.")
    refuse_unlabelled(examples, (target,), called)
    if target == "gender" and set(examples["gender"]) != set(GENDERS):
        there = ", ".join(map(str, sorted(examples["gender"].unique())[:10]))
        raise ValueError(f"{called} has the genders {there}; they must be {' and '.join(GENDERS)}, as models know them.")
    for attribute, *groups in figures:
        if attribute not in examples:
            raise ValueError(f"{called} has no attribute '{attribute}'; leave out its figures.")
        refuse_unlabelled(examples, (attribute,), called)
        for group in groups:
            n = len(examples) if group == ALL else int((examples[attribute] == group).sum())
            if n < FEWEST:
                there = ", ".join(map(str, sorted(examples[attribute].unique())[:10]))
                raise ValueError(
                    f"{called} has {n} examples with {attribute} {group}, of which a figure needs {FEWEST}; it has: {there}."
                )


def errors(target: Target, answer_MN: Floats, examples: pd.DataFrame) -> Floats:
    """(M, N) absolute errors of ages in years; of probabilities of a man, 1 where the gender is wrong."""
    if target == "age":
        return np.abs(answer_MN - years(examples["age"]))
    return ((answer_MN > 0.5) != (examples["gender"] == GENDERS[1]).to_numpy()).astype(float)


def truth(figures: Sequence[Figure], error_MN: Floats, examples: pd.DataFrame) -> Floats:
    """(M, T) each figure of each model."""
    return np.stack([gap(error_MN, *sides(figure, examples)) for figure in figures], 1)


def sides(figure: Figure, examples: pd.DataFrame) -> tuple[Mask, Mask]:
    """(N,) which examples a figure compares, and with which."""
    column = examples[figure.attribute]
    against_N = (column == figure.against).to_numpy() if figure.against != ALL else np.ones(len(examples), bool)
    return (column == figure.group).to_numpy(), against_N
